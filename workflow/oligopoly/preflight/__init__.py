"""Before a night is spent: will everything that the run needs be there, and what will it take?"""
