# `snakemake preflight`: before a night is spent. One job per kind of node, then a forecast.
import shutil

PREFLIGHT = f"{layout.RESULTS}/{cfg.run}"
NODES = ["cpu"] + (["gpu"] if "gpu" in (cfg.cluster.sampling, cfg.cluster.fitting) else [])

# Each time anew: what was found yesterday says nothing about tonight.
if workflow.is_main_process and "preflight" in sys.argv[1:]:
    shutil.rmtree(f"{PREFLIGHT}/preflight", ignore_errors=True)


rule preflight_site:
    output:
        found=f"{PREFLIGHT}/preflight/site.json",
    log:
        f"{PREFLIGHT}/logs/preflight/site.log",
    params:
        asks=lambda w: asked_of_slurm(),
        jobs=lambda w: workflow.resource_settings.nodes,
        slurm=lambda w: workflow.executor_plugin.name == "slurm",
    localrule: True
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Asking the scheduler and the file system"
    script:
        "../scripts/preflight_site.py"


for where in NODES:

    rule:
        name:
            f"preflight_{where}"
        input:
            site=rules.preflight_site.output.found,
        output:
            found=f"{PREFLIGHT}/preflight/{where}.json",
        log:
            f"{PREFLIGHT}/logs/preflight/{where}.log",
        params:
            where=where,
            config=cfg.model_dump(mode="json"),
            hardware={name: vars(one) for name, one in HARDWARE.items()} if where == cfg.cluster.sampling else {},
        threads: HARDWARE[LARGEST].threads if where == cfg.cluster.sampling else 1
        resources:
            **(on(where) | (ASKED if where == cfg.cluster.sampling else {})),
        conda:
            "../envs/oligopoly.yaml"
        message:
            f"Trying a {where} node: programs, a tiny label, tiny MD"
        script:
            "../scripts/preflight_node.py"


rule preflight:
    input:
        found=[rules.preflight_site.output.found]
        + expand(f"{PREFLIGHT}/preflight/{{where}}.json", where=NODES),
    output:
        report=f"{PREFLIGHT}/preflight/report.txt",
    log:
        f"{PREFLIGHT}/logs/preflight/report.log",
    params:
        config=dict(config),
        # `rules` knows them also where all this is a module that gives them other names
        hardware=lambda w: {name: vars(one) for name, one in HARDWARE.items()}
        | {name: vars(Hardware(cores_of(getattr(rules, name).rule))) for name in ("label", "fit")},
    localrule: True
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Summing up"
    script:
        "../scripts/preflight.py"
