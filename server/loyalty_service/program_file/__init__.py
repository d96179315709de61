"""The program file: what it says, what is wrong with it, and its stored form."""
