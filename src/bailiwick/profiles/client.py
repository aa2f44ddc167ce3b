"""Profiles where another process carries them: their answers."""

from bailiwick.kernel.http.remotes import Remote, asking
from bailiwick.kernel.module import Module, Platform
from bailiwick.profiles.contract import ProfileDirectory


def client(platform: Platform, remote: Remote) -> Module:
    directory = asking(ProfileDirectory, "profiles", remote)
    return Module("profiles", routers=(), provides=(), contracts={ProfileDirectory: directory})
