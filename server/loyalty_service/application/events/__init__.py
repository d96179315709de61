"""What happened, for those who follow a program."""
