"""oligopoly: machine-learned potentials for polymers, learned on oligomers by active learning."""

__version__ = "0.2.0"
