"""Compares groups of runs with statistics that say how sure they are; reads run directories only."""
