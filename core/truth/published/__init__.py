"""Published effects of flushing policies, each beside what the counts and the coefficients of other publications
predict.
"""
