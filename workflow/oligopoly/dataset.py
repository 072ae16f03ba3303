"""The growing dataset: what has been labelled so far, for training and held out."""

from oligopoly import frames as frame_files
from oligopoly.errors import UserError
from oligopoly.labelling.theory import only_one


def collect(labelled: list[str], before: list[str], train_file: str, test_file: str) -> None:
    """Add the `labelled` chunks to the train and test files of the generation before.

    `before` is [] for generation 0, else [train, test]. `info["split"]` of a frame says where it
    goes. Raises UserError if nothing at all could be labelled to train on, or if labels of two levels of
    theory come together.
    """
    train, test = (frame_files.read(path) for path in before) if before else ([], [])
    for path in labelled:
        for atoms in frame_files.read(path):
            (test if atoms.info["split"] == "test" else train).append(atoms)
    if not train:
        raise UserError(
            f"{train_file}: not one structure got a label; the reasons are in outcomes.tsv beside "
            + ", ".join(labelled)
        )
    only_one([*train, *test], train_file)
    frame_files.write(train_file, train)
    frame_files.write(test_file, test)
