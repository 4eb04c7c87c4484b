"""Prices in the formats that other tools read: one file each, pure. Parquet is written in
`serving/`, where `export_formats.py` lists them all.

A writer says what its format can express (`fitting.py`); what it cannot is left out of the document
and named in its report. Rates are written as the decimal of their whole number, never by a float.
"""
