"""One module per table or figure of the paper: which runs it needs, and how it is drawn.

An artefact has ``needs(job) -> [(dataset, method), ...]`` and ``draw(results, job) -> [paths]``. It
reads ``results/`` and never trains. One that is pure computation needs no runs; one that shows
samples of a single run says ``ONE_SEED = True``.
"""

ARTEFACTS = {
    "fig1": "benchmark.artefacts.fig1",
    "fig2": "benchmark.artefacts.fig2",
    "fig3": "benchmark.artefacts.fig3",
    "table1": "benchmark.artefacts.table1",
    "fig4": "benchmark.artefacts.fig4",
    "fig5": "benchmark.artefacts.fig5",
    "fig6": "benchmark.artefacts.fig6",
    "fig7": "benchmark.artefacts.fig7",
    "fig8": "benchmark.artefacts.fig8",
    "theory": "benchmark.artefacts.theory",
    "estimators": "benchmark.artefacts.estimators",
}
