"""Shipped doubles of every port."""
