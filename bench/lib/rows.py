"""The rows of the suite by name, in the order in which they are measured."""

ROWS = {}


def row(name):
    def register(function):
        ROWS[name] = function
        return function
    return register
