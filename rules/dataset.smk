# All labels so far: to train on, and held out.


rule collect:
    input:
        labels=expand(rules.label.output.labelled, chunk=CHUNKS, allow_missing=True),
        outcomes=expand(rules.label.output.outcomes, chunk=CHUNKS, allow_missing=True),
        before=lambda w: [] if w.gen == "000" else previous(w, "dataset/train.extxyz", "dataset/test.extxyz"),
    output:
        train=f"{RUN}/gen_{{gen}}/dataset/train.extxyz",
        test=f"{RUN}/gen_{{gen}}/dataset/test.extxyz",
        outcomes=f"{RUN}/gen_{{gen}}/labels/outcomes.tsv",
    log:
        f"{RUN}/logs/collect/{{gen}}.log",
    benchmark:
        f"{RUN}/benchmarks/collect/{{gen}}.tsv"
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Collecting the labels of generation {wildcards.gen}"
    script:
        "../scripts/collect.py"
