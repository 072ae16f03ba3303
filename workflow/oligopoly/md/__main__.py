"""One MPI rank of an MD that another process leads: `srun -n 16 python -m oligopoly.md HOST PORT` (see `md.ranks`)."""

import sys

from oligopoly.errors import UserError
from oligopoly.md.ranks import serve

try:
    serve(sys.argv[1], int(sys.argv[2]))
except UserError as error:
    sys.exit(str(error))
