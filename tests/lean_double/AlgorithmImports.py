"""What `from AlgorithmImports import ...` finds under the double."""

from tests.lean_double.algorithm import QCAlgorithm
from tests.lean_double.names import (
    AccountType,
    BrokerageMessageEvent,
    BrokerageMessageType,
    BrokerageName,
    DataNormalizationMode,
    Leg,
    Market,
    OrderProperties,
    OrderStatus,
    OrderType,
    Resolution,
    SecurityType,
    Symbol,
    SymbolRepresentation,
    TimeInForce,
    UpdateOrderFields,
)
from tests.lean_double.tickets import OrderTicket

__all__ = [
    "AccountType", "BrokerageMessageEvent", "BrokerageMessageType", "BrokerageName", "DataNormalizationMode", "Leg",
    "Market", "OrderProperties", "OrderStatus", "OrderTicket", "OrderType", "QCAlgorithm", "Resolution",
    "SecurityType", "Symbol", "SymbolRepresentation", "TimeInForce", "UpdateOrderFields",
]  # fmt: skip
