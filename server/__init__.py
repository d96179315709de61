"""A loyalty service that tills and kiosks can trust with points."""
