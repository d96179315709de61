"""Certifies tills and hosts: cases as data, a way to drive and one to watch, and one judge."""
