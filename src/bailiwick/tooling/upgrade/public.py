"""What a project may rely on. What is not named here may change with any version."""

from collections.abc import Mapping

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "bailiwick.backend": ("Backend", "open_database", "utc_now"),
    "bailiwick.kernel.application": (
        "Actor", "Cause", "Clock", "Contention", "EVERY_PERMISSION", "NO_CAUSE", "NewId", "Page",
        "PermissionRequired", "Repository", "Stale", "TooMany", "Unauthenticated", "Unavailable",
        "UnitOfWork", "cause",
    ),
    "bailiwick.kernel.cache": ("Cache",),
    "bailiwick.kernel.contention": ("uncontended",),
    "bailiwick.kernel.database.batches": ("one_of", "room_for", "these"),
    "bailiwick.kernel.database.columns": ("Id", "Json", "Sequence", "UtcDateTime", "context_metadata"),
    "bailiwick.kernel.database.connections": ("Database", "Row"),
    "bailiwick.kernel.database.listing": (
        "Filter", "InvalidListing", "ListRequest", "Listing", "MOST_PER_PAGE", "PER_PAGE", "columns_of",
    ),
    "bailiwick.kernel.database.mapper": ("Limit", "Mapper"),
    "bailiwick.kernel.database.migrations": ("status_async", "upgrade", "upgrade_async"),
    "bailiwick.kernel.database.statements": ("Write",),
    "bailiwick.kernel.database.unit_of_work": ("SqlRepository", "SqlUnitOfWork", "Unique"),
    "bailiwick.kernel.deprecation": ("keep_old_name",),
    "bailiwick.kernel.domain": (
        "Aggregate", "Conflict", "DomainError", "Event", "Forbidden", "Invalid", "NotFound",
    ),
    "bailiwick.kernel.http.authentication": ("Authentication", "VerifiedToken"),
    "bailiwick.kernel.http.money": ("Currency", "MoneyBody", "MoneyView"),
    "bailiwick.kernel.http.remotes": ("Remote", "asking"),
    "bailiwick.kernel.http.requests": ("Client", "ExpectedVersion"),
    "bailiwick.kernel.http.responses": ("Response", "encode"),
    "bailiwick.kernel.http.routing": ("Operation", "Router"),
    "bailiwick.kernel.ids": ("earlier", "first_id", "moment", "moment_of"),
    "bailiwick.kernel.jobs": ("GiveUp", "Job", "Priority", "report"),
    "bailiwick.kernel.locks": ("LockHeld", "LockLost", "Locks"),
    "bailiwick.kernel.messaging.handlers": ("JobHandler", "Subscription"),
    "bailiwick.kernel.messaging.outbox": ("event_type",),
    "bailiwick.kernel.messaging.processes": ("ProcessHandler",),
    "bailiwick.kernel.messaging.schedules": ("Schedule",),
    "bailiwick.kernel.module": ("Module", "Platform"),
    "bailiwick.kernel.money": (
        "CurrencyMismatch", "EXPONENTS", "InvalidAmount", "LARGEST_AMOUNT", "Money", "UnknownCurrency",
    ),
    "bailiwick.kernel.process_testing": ("Clock", "Elsewhere", "Trial", "prove"),
    "bailiwick.kernel.processes": ("Ended", "On", "Process", "Step", "TIMED_OUT"),
    "bailiwick.kernel.resilience": ("NotCalled", "Outbound"),
    "bailiwick.kernel.settings": ("Settings", "SettingsError"),
    "bailiwick.kernel.specification": ("All", "Has", "Relation", "Specification"),
    "bailiwick.kernel.testing": (
        "ServerUnavailable", "create_database", "drop_database", "free_port", "nats_server",
        "postgres_server", "valkey_server",
    ),
    "bailiwick.kernel.times": ("Instant",),
    "bailiwick.tooling.every_context": (
        "test_a_context_migrates_up_down_and_up_again", "test_any_aggregate_is_kept_whole",
        "test_every_published_event_keeps_its_stored_form",
        "test_the_migrated_tables_are_what_the_code_believes",
    ),
    "bailiwick.tooling.fixtures": (
        "Served", "anyio_backend", "database_url", "postgres", "postgresql_url", "served", "served_url",
        "sqlite_url",
    ),
}  # fmt: skip
"""The names of each module. Besides these: everything in the `contract` of each shipped context."""

FOR_SUBCLASSES = frozenset(
    {
        "bailiwick.kernel.domain.Aggregate._record",
        "bailiwick.kernel.database.unit_of_work.SqlRepository._all",
        "bailiwick.kernel.database.unit_of_work.SqlRepository._execute",
        "bailiwick.kernel.database.unit_of_work.SqlRepository._expected",
        "bailiwick.kernel.database.unit_of_work.SqlRepository._first",
        "bailiwick.kernel.database.unit_of_work.SqlUnitOfWork._repository",
    }
)
"""Methods that only a subclass calls, and may rely on as well."""
