"""
The tables. Instants are milliseconds since 1970, identifiers text, digests bytes.

These classes never leave the storage: the rest of the program speaks the records and values of
the domain, which have the same field names. Plain column types keep the raw drivers' values and
the classes' values the same.
"""

from loyalty_service.storage.tables.calls import KeptAnswerTable, LimitTallyTable, SessionTable
from loyalty_service.storage.tables.catalogue import (
    ApiKeyTable,
    CatalogRevisionTable,
    IncentiveTable,
    KeyUseTable,
    ProgramTable,
    ProgramVersionTable,
    StoreTable,
)
from loyalty_service.storage.tables.codes import (
    CodeMonthTable,
    CodePepperTable,
    CodeRefusalTable,
    CodeRegularTable,
    CodeTable,
    CodeTallyTable,
    WrongCodeTable,
)
from loyalty_service.storage.tables.members import (
    GoalAwardTable,
    GoalCardTable,
    GrantTable,
    MemberEmailTable,
    MemberTable,
    MemberTermTable,
)
from loyalty_service.storage.tables.merges import MemberMergeTable, MergedOwnerTable
from loyalty_service.storage.tables.orders import (
    HoldTable,
    IncentiveUsageTable,
    RedemptionTable,
    ReservationTable,
    TransactionTable,
)
from loyalty_service.storage.tables.points import (
    AccountTable,
    BucketPartTable,
    BucketTable,
    PointsAssignmentTable,
    TransferTable,
)
from loyalty_service.storage.tables.promo_codes import PromoCodeTable, PromoRedemptionTable
from loyalty_service.storage.tables.records import (
    DERIVED,
    OF_NOW,
    EventLaneTable,
    EventTable,
    RepairTable,
    ServerTable,
)
from loyalty_service.storage.tables.retention import (
    ArchivedOwnerTable,
    CheckpointAccountTable,
    CheckpointTable,
    EventPrunedTable,
)
from loyalty_service.storage.tables.visits import AdhocTransactionTable, PointsReservationTable
from loyalty_service.storage.tables.webhooks import DeliveryTable, WebhookTable

__all__ = [
    "DERIVED",
    "OF_NOW",
    "AccountTable",
    "AdhocTransactionTable",
    "ApiKeyTable",
    "ArchivedOwnerTable",
    "BucketPartTable",
    "BucketTable",
    "CatalogRevisionTable",
    "CheckpointAccountTable",
    "CheckpointTable",
    "CodeMonthTable",
    "CodePepperTable",
    "CodeRefusalTable",
    "CodeRegularTable",
    "CodeTable",
    "CodeTallyTable",
    "DeliveryTable",
    "EventLaneTable",
    "EventPrunedTable",
    "EventTable",
    "GoalAwardTable",
    "GoalCardTable",
    "GrantTable",
    "HoldTable",
    "IncentiveTable",
    "IncentiveUsageTable",
    "KeptAnswerTable",
    "KeyUseTable",
    "LimitTallyTable",
    "MemberEmailTable",
    "MemberMergeTable",
    "MemberTable",
    "MemberTermTable",
    "MergedOwnerTable",
    "PointsAssignmentTable",
    "PointsReservationTable",
    "ProgramTable",
    "ProgramVersionTable",
    "PromoCodeTable",
    "PromoRedemptionTable",
    "RedemptionTable",
    "RepairTable",
    "ReservationTable",
    "ServerTable",
    "SessionTable",
    "StoreTable",
    "TransactionTable",
    "TransferTable",
    "WebhookTable",
    "WrongCodeTable",
]
