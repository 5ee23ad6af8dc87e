"""Loops written by hand, healthy and faulty: does relclf.watch name the fault, and is it silent on the healthy?"""
