"""Tests of what operators see: health, metrics, the states of pools."""
