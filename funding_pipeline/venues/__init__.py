"""Exchanges through ccxt: one gateway for all, one small module for what is special to each."""
