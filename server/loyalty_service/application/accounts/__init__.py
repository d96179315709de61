"""Use cases of what members have, set aside, are given and lose in sessions."""
