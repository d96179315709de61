"""A loyalty service that tills and kiosks can trust with points."""

import os

# gRPC's core reads it when it is loaded. Its own lines are no JSON, and every handshake that a
# port scan fails writes one; what a caller or a start fails by is told by us.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
