"""The port `ProjectNames` where nothing is known of projects."""


class NoNames:
    async def name_of(self, _organization, _project):
        return None
