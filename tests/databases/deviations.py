"""Deviations that change a tree of frames or its sheets, for `test_trees`."""

from copy import deepcopy
from dataclasses import replace

from tests.databases.sheets import text_writer, write_xls
from tests.databases.trees import Sheet, picture


def as_it_is(tree):
    pass


def nested(tree):
    tree.change(above=lambda c: [*c.above, c.above[-1]])


def deeper(tree):
    tree.change(above=lambda c: ["some disk", "faces", *c.above])


def misleading_folders_above_the_root(tree):
    other = {"smic_hs": "NIR", "smic_vis": "HS", "smic_nir": "SMIC VIS"}.get(tree.database, "SAMM")
    tree.root = f"{other}/non_micro crop/data"


def one_folder_between(tree):
    tree.change(between=lambda c: ["faces", *c.between])


def subject_twice(tree):
    tree.change(above=lambda c: [*c.above, c.subject_folder])


def by_class_then_subject(tree):
    tree.change(above=lambda c: [*c.above, c.emotion])


def by_subject_then_class(tree):
    tree.change(between=lambda c: [c.emotion, *c.between])


def folder_of_a_part(tree):
    """Subjects on two disks; one camera's folder still tells the camera."""
    tree.change(above=lambda c: [*c.above, "part 1" if c.subject < 5 else "part 2"])


def folders_of_classes_of_two_levels(tree):
    tree.change(above=lambda c: [*c.above, f"all {c.emotion} clips", f"{c.emotion[:3]} cut"])


def folder_for_each_subject(tree):
    tree.change(above=lambda c: [*c.above, f"person {'abcdefghijklmnopqrst'[c.subject - 1]}"])


def other_suffix(tree):
    tree.change(file=lambda c: c.file.rpartition(".")[0] + ".PNG")


def no_zeros(tree):
    tree.change(file=lambda c: c.file.replace("{:05d}", "{}").replace("{:06d}", "{}"))


def junk_beside_frames(tree):
    for clip in tree.clips:
        for name in ("Thumbs.db", "._" + clip.file.format(7), ".DS_Store", "notes.txt"):
            tree.extra[(clip.place / name).as_posix()] = b"x"
        tree.extra[(clip.place / "@eaDir" / clip.file.format(7)).as_posix()] = picture(".jpg", 9)


def a_whole_copy(tree):
    tree.clips += [replace(c, above=["zz backup", "x", *c.above], again=True) for c in tree.clips]
    copies = [c for c in tree.clips if c.again]
    tree.clips = [c for c in tree.clips if not c.again]
    for clip in copies:
        for number, shown in clip.shows.items():
            name = (clip.place / clip.file.format(number)).as_posix()
            tree.extra[name] = picture("." + clip.file.rpartition(".")[2], (7 * shown) % 250)


def three_frames_each_that_sort_first(tree):
    """Onset, middle and offset of each clip, as papers on optical flow keep them."""
    for clip in tree.clips:
        for number in (clip.onset, clip.onset + 2, clip.offset):
            place = replace(clip, above=["a", *clip.above]).place
            name = (place / clip.file.format(number)).as_posix()
            tree.extra[name] = picture("." + clip.file.rpartition(".")[2], 77)


def second_folder_of_a_clip(tree):
    clip = tree.clips[0]
    spelt = {"s1": "s01", "s01": "s1", "sub01": "sub1", "006": "06"}[clip.subject_folder]
    for number in clip.shows:
        place = replace(clip, subject_folder=spelt).place
        tree.extra[(place / clip.file.format(number)).as_posix()] = picture(".bmp", 9)


def copied_frame(tree):
    clip = tree.clips[0]
    number = clip.onset + 1
    name = clip.file.format(number).replace(".", " (1).")
    tree.extra[(clip.place / name).as_posix()] = picture("." + name.rpartition(".")[2], 3)


def restart_at(start):
    def deviate(tree):
        tree.change(shows=lambda c: dict(enumerate(range(c.onset, c.offset + 1), start=start)))

    deviate.__name__ = f"numbered_anew_from_{start}"
    return deviate


def margins_numbered_anew(margin, start):
    def deviate(tree):
        tree.change(
            shows=lambda c: dict(
                enumerate(range(c.onset - margin, c.offset + margin + 1), start=start)
            )
        )

    deviate.__name__ = f"margins_of_{margin}_numbered_from_{start}"
    return deviate


def one_frame_fewer_numbered_anew(tree):
    tree.change(shows=lambda c: dict(enumerate(range(c.onset, c.offset), start=1)))


def half_with_margins_numbered_anew(tree):
    """Half of the folders keep the recording's numbers, with margins; the others do not."""

    def shows(clip):
        there = range(clip.onset - 4, clip.offset + 5)
        return dict(enumerate(there, start=1)) if clip.index % 2 else {n: n for n in there}

    tree.change(shows=shows)


def without_first_frame(tree):
    for clip in tree.clips[2:4]:
        del clip.shows[clip.onset]


def without_last_frame(tree):
    for clip in tree.clips[2:4]:
        del clip.shows[clip.offset]


def only_three_frames(tree):
    tree.change(shows=lambda c: {n: n for n in (c.onset, c.onset + 2, c.offset)})


def recordings_from_zero(tree):
    tree.change(shows=lambda c: {n: n + 1 for n in range(c.offset + 9)})


def a_folder_is_absent(tree):
    tree.clips[0].shows = {}


def a_folder_without_row(tree):
    clip = deepcopy(tree.clips[0])
    name = {"casme2": "EP55_05", "samm": "006_9_9", "casme": "EP55_5", "mmew": "S01-09-009"}
    tree.extra[(replace(clip, folder=name[tree.database]).place / "x1.jpg").as_posix()] = b"x"


def camera_unnamed(tree):
    tree.change(above=["faces"])


def frames_without_numbers(tree):
    clip = tree.clips[0]
    for letter in "abc":
        suffix = "." + clip.file.rpartition(".")[2]
        tree.extra[(clip.place / f"face{letter}{suffix}").as_posix()] = picture(suffix, 9)
    clip.shows = {}


def wrong_class_folder(tree):
    wrong = "surprise" if tree.clips[0].emotion != "surprise" else "negative"
    where = tree.clips[0]
    where.between = ["micro", wrong] if tree.database.startswith("smic") else [wrong]


# Of sheets. A row's cells are found by the headings, so that these work for most layouts.
def _heading_row(sheet):
    words = ("filename", "fold_name")
    return next(i for i, row in enumerate(sheet.rows) if {str(c).lower() for c in row} & set(words))


def _column(sheet, *names):
    headings = [str(cell).lower().replace(" ", "") for cell in sheet.rows[_heading_row(sheet)]]
    return next(i for i, word in enumerate(headings) if word in names)


def _first(sheet):
    return _heading_row(sheet) + 1


ONSET = ("onset", "onsetframe", "onsetf")
EMOTION = ("emotion", "estimatedemotion")


def no_sheet(tree):
    tree.sheets = []


def unknown_file_name(tree):
    tree.sheets[0].path = "labels/table of all clips.xlsx"


def as_text(separator, encoding, label):
    def deviate(tree):
        tree.sheets[0].write = text_writer(separator, encoding)

    deviate.__name__ = f"sheet_{label}"
    return deviate


def sheet_in_xls(tree):
    tree.sheets[0].write = write_xls


def other_headings(tree):
    headings = tree.sheets[0].rows[_heading_row(tree.sheets[0])]
    new = {"onsetframe": "Onset", "estimatedemotion": "Label", "emotion": "Emotion Label",
           "offsetframe": "OFFSET", "onset": "Onset Frame"}  # fmt: skip
    headings[:] = [new.get(str(h).lower().replace(" ", ""), h) for h in headings]


def text_above_and_below(tree):
    empty = [None] * (len(tree.sheets[0].rows[-1]) - 1)
    above = [["Coding by two coders", *empty], [None, *empty]]
    below = [[None, *empty], ["Total: see the paper", *empty]]
    tree.sheets[0].rows = [*above, *tree.sheets[0].rows, *below]


def subjects_of_merged_cells(tree):
    column, before = _column(tree.sheets[0], "subject", "sub_id"), None
    for row in tree.sheets[0].rows[_first(tree.sheets[0]) :]:
        if row[column] == before:
            row[column] = None
        else:
            before = row[column]


def numbers_as_text(tree):
    column = _column(tree.sheets[0], *ONSET)
    for row in tree.sheets[0].rows[_first(tree.sheets[0]) :]:
        row[column] = f"{row[column]}.0"


def unreadable_number(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *ONSET)] = "4S"


def no_number(tree):
    for name in (ONSET, ("offset", "offsetframe", "offsetf")):
        tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *name)] = "/"


def empty_emotion(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = None


def formula_never_computed(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = '="fear"'


def misspelt_emotion(tree):
    tree.sheets[0].rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "happinness"


def row_without_name(tree):
    column = _column(tree.sheets[0], "filename", "fold_name")
    tree.sheets[0].rows[_first(tree.sheets[0])][column] = None


def same_row_twice(tree):
    tree.sheets[0].rows.append(list(tree.sheets[0].rows[_first(tree.sheets[0])]))


def contradicting_row(tree):
    row = list(tree.sheets[0].rows[_first(tree.sheets[0])])
    row[_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets[0].rows.append(row)


def same_sheet_twice(tree):
    tree.sheets.append(Sheet("copy/of the sheet.xlsx", deepcopy(tree.sheets[0].rows)))


def sheet_that_contradicts(tree):
    rows = deepcopy(tree.sheets[0].rows)
    rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets.append(Sheet("old/labels.xlsx", rows))


def worksheet_that_contradicts(tree):
    rows = deepcopy(tree.sheets[0].rows)
    rows[_first(tree.sheets[0])][_column(tree.sheets[0], *EMOTION)] = "fear"
    tree.sheets[0].more["Second"] = rows


def sheet_of_macro_expressions(tree):
    rows = deepcopy(tree.sheets[0].rows)
    for row in rows[_first(tree.sheets[0]) :]:
        row[_column(tree.sheets[0], *EMOTION)] = "surprise"
    name = tree.sheets[0].path.rpartition("/")[2]
    tree.sheets.append(Sheet(f"0_MaE_{name.replace('_Micro', '')}", rows))


def rows_of_macro_expressions(tree):
    first = _heading_row(tree.sheets[0])
    more = []
    for place, row in enumerate(tree.sheets[0].rows):
        row.append("Expression type" if place == first else "micro-expression")
        if place > first:
            macro = [*row[:-1], "macro-expression"]
            macro[_column(tree.sheets[0], *EMOTION)] = "surprise"
            more.append(macro)
    tree.sheets[0].rows += more


def wide_row_of_another_table(tree):
    tree.sheets.append(Sheet("results.csv", [["epoch", "loss"], [1, 0.5]], text_writer()))
