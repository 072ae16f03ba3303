# Dataset to potential.

# One rule for each set of files that the trainers of the runs write: `fit`, and for a second one in a study
# `fit_1_{kind}`.
TRAINED_BY = {}
for name, one in CONFIGS.items():
    TRAINED_BY.setdefault(tuple(potential_files(one)), []).append(name)

for number, (files, runs) in enumerate(TRAINED_BY.items()):

    rule:
        name:
            alike("fit", number, runs)
        input:
            train=lambda w: at(w, layout.TRAIN),
            test=lambda w: at(w, layout.TEST),
            # A trainer that resumes goes on from what the generation before left.
            before=lambda w: potential_before(w) if conf(w).trainer.resumes else [],
            # Chains whose bonded terms stay beside the potential, those never trained on too.
            boxes=lambda w: [at(w, layout.BUILT, box=name) for name in bonded_systems(w)],
            systems=lambda w: [at(w, layout.SYSTEM, box=name) for name in bonded_systems(w)],
        output:
            potential=[out(layout.POTENTIAL).replace("{file}", file) for file in files],
            metrics=out(layout.METRICS),
            predictions=out(layout.PREDICTIONS),
        wildcard_constraints:
            run="|".join(map(re.escape, runs)),
        log:
            out(layout.log("fit")),
        benchmark:
            out(layout.benchmark("fit"))
        params:
            trainer=lambda w: conf(w).trainer.model_dump(),
            systems=lambda w: bonded_systems(w),
        threads: 1
        resources:
            **on(cfg.cluster.fitting),
        conda:
            lambda w: f"../envs/{conf(w).trainer.conda}.yaml"
        message:
            "Fitting the potential of generation {wildcards.gen}"
        script:
            "../scripts/fit.py"
