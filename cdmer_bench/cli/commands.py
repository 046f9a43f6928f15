"""The sub-commands of `cdmer`, each run by the module of its name, and the words they take."""

LISTED = ("methods", "descriptors", "tasks", "databases", "corpora", "selections", "runs")
CHECKED = ("method", "descriptor", "database")
DRAWN = ("regions", "parameters", "confusion", "budget", "scores", "ranks", "plane", "times")
TABLES = ("3", "4", "5", "6", "7", "all")
SHELLS = ("bash", "zsh", "fish")

COMMANDS = {
    "run": "run methods on tasks and print their tables (Hydra overrides)",
    "extract": "extract descriptors into the cache without running a method",
    "tables": "print Tables III to VII from the results folder",
    "data": "fetch, check and synthesize databases",
    "list": f"list {', '.join(LISTED)}",
    "report": "write one self-contained HTML file on the results",
    "stats": "confidence intervals, paired tests and ranks",
    "plot": f"draw results: {', '.join(DRAWN)}",
    "results": "merge the results of several machines",
    "check": "check a method, descriptor or database of your own",
    "audit": "check the paper's own tables against themselves",
    "doctor": "show versions, BLAS, cores and folders",
    "completion": f"print the shell code for completion ({', '.join(SHELLS)})",
}
