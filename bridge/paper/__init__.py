"""The embedded market: it speaks LEAN's part of the protocol, so that a fresh machine needs no LEAN."""

from bridge.paper.books import Books
from bridge.paper.ledger import Ledger, LedgerError, LedgerLocked, read_ledger
from bridge.paper.margin import MarginModel
from bridge.paper.market import Market

__all__ = ["Books", "Ledger", "LedgerError", "LedgerLocked", "MarginModel", "Market", "read_ledger"]
