"""What policies cost: counted by running the programs that the explorer proves."""
