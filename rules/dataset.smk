# All labels so far: to train on, and held out.


rule collect:
    input:
        labels=lambda w: [at(w, layout.LABELLED, chunk=chunk) for chunk in chunks(w)],
        outcomes=lambda w: [at(w, layout.CHUNK_OUTCOMES, chunk=chunk) for chunk in chunks(w)],
        before=lambda w: (
            []
            if w.gen == "000"
            else [at(w, template, gen=f"{int(w.gen) - 1:03d}") for template in (layout.TRAIN, layout.TEST)]
        ),
    output:
        train=out(layout.TRAIN),
        test=out(layout.TEST),
        outcomes=out(layout.OUTCOMES),
    log:
        out(layout.log("collect")),
    benchmark:
        out(layout.benchmark("collect"))
    conda:
        "../envs/oligopoly.yaml"
    message:
        "Collecting the labels of generation {wildcards.gen}"
    script:
        "../scripts/collect.py"
