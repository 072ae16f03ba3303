# `snakemake status` and `snakemake explain`: answered before anything is planned, locked or submitted.
import tempfile

if QUESTION and workflow.is_main_process:
    from oligopoly.operations.explain import explain
    from oligopoly.operations.status import status

    # `snakemake explain FILE` as well as `--config target=FILE`
    after = sys.argv[sys.argv.index(QUESTION) + 1 :][:1]
    asked = TARGET or next((word for word in after if not word.startswith("-")), None)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as same_config:
        json.dump(config, same_config)
        same_config.flush()
        plan = [sys.executable, "-m", "snakemake", "-n", "--nolock", "--nocolor", "--cores", "1"]
        plan += ["--snakefile", workflow.main_snakefile, "--configfile", same_config.name]
        plan += ["--rerun-triggers", "mtime", "params", "input", "--"]
        try:
            print(status(cfg, CONFIGS) if QUESTION == "status" else explain(CONFIGS, asked, plan), flush=True)
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(1)
    sys.exit(0)
