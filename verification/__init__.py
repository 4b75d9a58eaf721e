"""Campaigns that look for faults for as long as they are given; continuous integration runs a short slice of each."""
