"""What `config/config.yaml` shows where there is no default."""

SYSTEMS = {
    "decane": {
        "role": "train",
        "repeat_unit": "*CC*",
        "end_groups": ["*[H]", "*[H]"],
        "degree_of_polymerisation": 5,
        "chains": 32,
        "temperature": "300 K",
        "pressure": "1 atm",
    },
    "eicosane": {
        "role": "transfer",
        "repeat_unit": "*CC*",
        "degree_of_polymerisation": 10,
        "chains": 16,
        "temperature": "350 K",
    },
}
STATES = {
    "liquid": {"ensemble": "npt", "duration": "500 ps"},
    "dense": {"volume_ratio": 0.85, "temperature": "450 K", "duration": "20 ps"},
    "dense-hot": {"volume_ratio": 0.92, "temperature": "600 K", "duration": "20 ps"},
    "hot": {"volume_ratio": 1.0, "temperature": "600 K", "duration": "20 ps"},
    "dilute": {"volume_ratio": 1.08, "temperature": "300 K", "duration": "20 ps"},
    "dilute-hot": {"volume_ratio": 1.2, "temperature": "450 K", "duration": "20 ps"},
}
WALKERS = {
    "npt": {"duration": "100 ps"},
    "npt-hot": {"temperature": "500 K", "duration": "50 ps"},
    "compress": {"temperature": "450 K", "pressure_end": "20000 atm", "duration": "50 ps"},
    "nvt-hot": {"ensemble": "nvt", "volume_ratio": 1.0, "temperature": "700 K", "duration": "50 ps"},
}
