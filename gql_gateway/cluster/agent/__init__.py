"""The agent: a program that is sent over SSH and runs on the login node for as long as its channel lives.

Standard library and Python 3.6 syntax only, since login nodes of RHEL 8 have no newer one. Nothing of it is installed
there: `cluster/bundle.py` makes one text of the modules, which the command started over SSH reads from its input.
"""
