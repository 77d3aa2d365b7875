"""A complete family, as small as one can be: on which side of a wavy line does a point lie?"""
