"""How money moves: each function changes the wallets and returns the journal that says so."""

from collections.abc import Mapping
from uuid import UUID

from bailiwick.kernel.money import CurrencyMismatch, Money
from bailiwick.payments.contract import JournalKind
from bailiwick.payments.domain.hold import Hold
from bailiwick.payments.domain.journal import Journal, JournalId, Posting, Slip
from bailiwick.payments.domain.terms import NotReversible, Rate, SameWallet
from bailiwick.payments.domain.wallet import Wallet, WalletId

REVERSIBLE = (
    JournalKind.TRANSFER,
    JournalKind.DEPOSIT,
    JournalKind.WITHDRAWAL,
    JournalKind.CONVERSION,
)
"""What was captured is refunded instead; what sets something right is not undone."""


def transfer(
    id: JournalId, payer: Wallet, payee: Wallet, amount: Money, slip: Slip, fee: Posting | None = None
) -> Journal:
    """From one person to another. The payer pays the fee on top, into the wallet of the house for fees.

    Changes no wallet where it is refused.
    """
    _different(payer, payee)
    payer.check(amount)
    payee.check(amount)
    payer.pay_out(amount if fee is None else amount + fee[1], slip.recorded_at)
    payee.pay_in(amount)
    if fee is None:
        return Journal.book(id, JournalKind.TRANSFER, slip, (payer, -amount), (payee, amount))
    fee[0].pay_in(fee[1])
    return Journal.book(id, JournalKind.TRANSFER, slip, (payer, -(amount + fee[1])), fee, (payee, amount))


def deposit(id: JournalId, cash: Wallet, payee: Wallet, amount: Money, slip: Slip) -> Journal:
    """Somebody has brought money to the house."""
    cash.pay_out(amount, slip.recorded_at)
    payee.pay_in(amount)
    return Journal.book(id, JournalKind.DEPOSIT, slip, (cash, -amount), (payee, amount))


def withdrawal(id: JournalId, payer: Wallet, cash: Wallet, amount: Money, slip: Slip) -> Journal:
    """Somebody has got money from the house."""
    payer.pay_out(amount, slip.recorded_at)
    cash.pay_in(amount)
    return Journal.book(id, JournalKind.WITHDRAWAL, slip, (payer, -amount), (cash, amount))


def capture(
    id: JournalId, hold: Hold, payer: Wallet, payee: Wallet, amount: Money | None, slip: Slip
) -> Journal:
    """Take what is held, or a part of it; the rest is the payer's again."""
    taken = hold.capture(amount, slip.recorded_at)
    payer.pay_from_held(taken, hold.money)
    payee.pay_in(taken)
    return Journal.book(id, JournalKind.CAPTURE, slip, (payer, -taken), (payee, taken), hold_id=hold.id)


def refund(
    id: JournalId, hold: Hold, payee: Wallet, payer: Wallet, amount: Money, slip: Slip, key: UUID
) -> Journal:
    """Give back from what was captured: now `payee` pays, and `payer` gets."""
    hold.refund(amount)
    payee.pay_out(amount, slip.recorded_at)
    payer.pay_in(amount)
    return Journal.book(
        id, JournalKind.REFUND, slip, (payee, -amount), (payer, amount), hold_id=hold.id, key=key
    )


def conversion(
    id: JournalId, payer: Wallet, exchange: tuple[Wallet, Wallet], payee: Wallet, amount: Money,
    rate: Rate, slip: Slip,
) -> Journal:  # fmt: skip
    """Sell `amount` to the house for what it buys at `rate`. Each currency balances by itself."""
    _different(payer, payee)
    if payer.currency == payee.currency:
        raise CurrencyMismatch("there is nothing to convert: make a transfer", field="to_wallet")
    bought, (takes, gives) = rate.convert(amount, payee.currency), exchange
    payer.pay_out(amount, slip.recorded_at)
    takes.pay_in(amount)
    gives.pay_out(bought, slip.recorded_at)
    payee.pay_in(bought)
    postings = (payer, -amount), (takes, amount), (gives, -bought), (payee, bought)
    return Journal.book(id, JournalKind.CONVERSION, slip, *postings, rate=str(rate))


def reversal(id: JournalId, undone: Journal, wallets: Mapping[WalletId, Wallet], slip: Slip) -> Journal:
    """Everybody gives back what they got. Raises NotReversible, or InsufficientBalance."""
    if undone.kind not in REVERSIBLE:
        allowed = [kind.value for kind in REVERSIBLE]
        raise NotReversible(f"a {undone.kind} cannot be reversed", allowed=allowed)
    postings = [(wallets[entry.wallet_id], -entry.money) for entry in reversed(undone.entries)]
    for wallet, money in postings:
        if money.amount < 0:
            wallet.give_back(-money, slip.recorded_at)
        else:
            wallet.pay_in(money)
    return Journal.book(id, JournalKind.REVERSAL, slip, *postings, reverses=undone.id)


def _different(payer: Wallet, payee: Wallet) -> None:
    if payer.id == payee.id:
        raise SameWallet("a wallet cannot pay itself", field="to_wallet")
