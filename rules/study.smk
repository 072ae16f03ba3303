# Several runs compared: the members of the config's `study`.
if cfg.study is not None:

    STUDY_RUN = f"{layout.RESULTS}/{cfg.run}"

    rule study:
        input:
            of_every_member,
        output:
            html=report(f"{STUDY_RUN}/{layout.STUDY}", caption="../report/study.rst", category="oligopoly"),
            tables=f"{STUDY_RUN}/{layout.STUDY_TABLES}",
        log:
            f"{STUDY_RUN}/{layout.log('study')}",
        benchmark:
            f"{STUDY_RUN}/{layout.benchmark('study')}"
        params:
            study=cfg.study.model_dump(mode="json"),
            folders={run: f"{layout.RESULTS}/{run}" for run in CONFIGS},
            owners=OWNERS,
            title=cfg.run,
        conda:
            "../envs/oligopoly.yaml"
        message:
            "Comparing the members of the study"
        script:
            "../scripts/study.py"
