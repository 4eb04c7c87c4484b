"""The version of this program. The same bytes may be read differently by another one."""

VERSION = "0.1.0"
