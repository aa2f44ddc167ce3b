"""Wires the context: the only place where its ports meet their adapters."""

from functools import partial

from bailiwick.identity.contract import UserRegistered
from bailiwick.kernel.audit.sealing import Sealer
from bailiwick.kernel.messaging.handlers import JobHandler, Subscription
from bailiwick.kernel.module import Module, Platform
from bailiwick.payments.application.holds import ExpireHold, HousePayments, expire_hold
from bailiwick.payments.application.ports import PaymentsPorts
from bailiwick.payments.application.transfers import RunScheduledTransfer, run_scheduled_transfer
from bailiwick.payments.application.wallets import on_user_registered
from bailiwick.payments.contract import Payments, PaymentsPermission
from bailiwick.payments.domain.terms import Fees
from bailiwick.payments.domain.wallet import WalletRules
from bailiwick.payments.infrastructure.chain import LEDGER
from bailiwick.payments.infrastructure.proof import EVERY_FIVE_MINUTES, ProveLedger, Prover
from bailiwick.payments.infrastructure.unit_of_work import SqlPaymentsUnitOfWork
from bailiwick.payments.interfaces.http import statements, transfers, wallets


def module(platform: Platform) -> Module:
    settings = platform.settings.payments
    ports = PaymentsPorts(
        uow=lambda: SqlPaymentsUnitOfWork(platform.database),
        clock=platform.clock,
        new_id=platform.new_id,
        currency=settings.currency,
        fees=Fees(settings.fee_basis_points, settings.fee_fixed),
        rules=WalletRules(daily_limit=settings.daily_limit),
    )
    prover = Prover(platform.database, platform.clock)
    return Module(
        "payments",
        routers=(wallets.router, transfers.router, statements.router),
        provides=(ports,),
        subscriptions=(
            Subscription(
                "payments.on_user_registered", UserRegistered, partial(on_user_registered, ports=ports)
            ),
        ),
        jobs=(
            JobHandler(ExpireHold, partial(expire_hold, ports=ports)),
            JobHandler(RunScheduledTransfer, partial(run_scheduled_transfer, ports=ports)),
            JobHandler(ProveLedger, prover.run_job),
        ),
        schedules=(EVERY_FIVE_MINUTES,),
        contracts={Payments: HousePayments(ports)},
        permissions=frozenset(PaymentsPermission),
        background=(Sealer(platform.database, platform.clock, LEDGER).run, prover.watch),
    )
