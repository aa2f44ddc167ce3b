"""The mails identity sends. Links start with the configured address, never with what a request said."""

from datetime import timedelta

from bailiwick.identity.application.ports import IdentityRules, Message


def reset_letter(to: str, token: str, rules: IdentityRules) -> Message:
    return Message(
        to,
        f"{rules.product}: set a new password",
        f"Somebody, hopefully you, asked for a new password for {to}.\n\n"
        f"Choose one here, {_validity(rules.reset_lifetime)}:\n{_link(rules, 'reset-password', token)}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n",
    )


def verification_letter(to: str, token: str, rules: IdentityRules) -> Message:
    return Message(
        to,
        f"{rules.product}: confirm your email address",
        f"Welcome to {rules.product}.\n\n"
        f"Confirm that this is your address here, {_validity(rules.verify_lifetime)}:\n"
        f"{_link(rules, 'verify-email', token)}\n\n"
        "If you did not register, do nothing.\n",
    )


def repeated_registration_letter(to: str, token: str, rules: IdentityRules) -> Message:
    return Message(
        to,
        f"{rules.product}: you already have an account",
        f"Somebody, hopefully you, tried to register {to}, which has an account.\n\n"
        "Sign in as usual. If you forgot the password, choose a new one here, "
        f"{_validity(rules.reset_lifetime)}:\n"
        f"{_link(rules, 'reset-password', token)}\n\n"
        "If it was not you, do nothing.\n",
    )


def password_changed_letter(to: str, rules: IdentityRules) -> Message:
    return Message(
        to,
        f"{rules.product}: your password was changed",
        f"The password of {to} was changed, and other devices were signed out.\n\n"
        "If it was not you, ask for a new password at once:\n"
        f"{rules.public_url.rstrip('/')}/forgot-password\n",
    )


def _link(rules: IdentityRules, page: str, token: str) -> str:
    # Behind the hash, so that the token reaches neither the logs of servers nor the Referer header.
    return f"{rules.public_url.rstrip('/')}/{page}#token={token}"


def _validity(lifetime: timedelta) -> str:
    minutes = int(lifetime.total_seconds()) // 60
    time = f"{minutes} minutes" if minutes % 60 or minutes == 60 else f"{minutes // 60} hours"
    return f"within {time} and once"
