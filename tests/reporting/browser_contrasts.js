// Run by test_report_browser.py: what is common to its pages, and the contrast of every text.
const all = (frame, selector) => Array.from(frame.document.querySelectorAll(selector));
const one = (frame, selector) => frame.document.querySelector(selector);
const screens = [phone, tablet, wide];
const widths = () => screens.map(f => [f.document.documentElement.scrollWidth, f.innerWidth]);
// Contrast as WCAG 2 defines it, of each text against the backgrounds that lie behind it.
const channels = text => text.match(/[\d.]+/g).map(Number);
const over = (front, back) => {
  const a = front.length > 3 ? front[3] : 1;
  return [0, 1, 2].map(i => front[i] * a + back[i] * (1 - a));
};
const luminance = rgb => rgb.map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrasts = frame => {
  const least = {};
  for (const element of all(frame, "body *")) {
    const kinds = ["SCRIPT", "STYLE", "TITLE", "title"];
    if (kinds.includes(element.tagName)) continue;
    if (!Array.from(element.childNodes).some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = frame.getComputedStyle(element), layers = [];
    for (let e = element; e; e = e.parentElement) {
      layers.push(channels(frame.getComputedStyle(e).backgroundColor));
    }
    const back = layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    const svg = element.namespaceURI.endsWith("svg");
    const ink = over(channels(svg ? style.fill : style.color), back);
    const pair = [luminance(ink), luminance(back)].sort((a, b) => b - a);
    const key = element.tagName + "." + (element.getAttribute("class") || "");
    least[key] = Math.min(least[key] || 21, (pair[0] + 0.05) / (pair[1] + 0.05));
  }
  return least;
};
found.contrasts = contrasts(wide);
found.ground = wide.getComputedStyle(wide.document.body).backgroundColor;
