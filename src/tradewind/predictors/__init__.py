"""Fitted models of cost and quality, additive over layers, with their uncertainty."""
