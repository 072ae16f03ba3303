from oligopoly.operations.logs import logged

with logged(snakemake.log[0]):
    from oligopoly.assess import assess
    from oligopoly.labelers.registry import create

    files, params = snakemake.input, snakemake.params
    assess(
        snakemake.output.verdict,
        generation=int(snakemake.wildcards.gen),
        last=params.last,
        limits=params.limits,
        next_labels=params.next_labels,
        store=params.store,
        criteria=params.criteria,
        metrics_file=files.metrics,
        potential_file=files.potential[0],
        potential_before=next(iter(files.before), None),
        labelled=files.labels,
        stops=files.stops,
        liquids=dict(zip(params.temperatures, zip(files.liquid[::2], files.liquid[1::2], strict=True), strict=False)),
        temperatures=params.temperatures,
        own_liquids=dict(zip(params.temperatures, files.own_liquid, strict=False)),
        labelers={
            name: create(params.labeler, data=data, system=system)
            for name, data, system in zip(params.temperatures, files.data, files.systems, strict=True)
        }
        if files.own_liquid
        else {},
    )
