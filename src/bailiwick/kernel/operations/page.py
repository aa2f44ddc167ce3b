"""The page that shows the map live. It has no data of its own: its script asks for them as an operator."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bailiwick.kernel.http.documents import PAGE_POLICY, page

MAP_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{product} map</title>
<link rel="icon" href="{assets}/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{assets}/docs.css">
<link rel="stylesheet" href="{assets}/map.css">
</head>
<body>
<header>
<strong>{product} map</strong>
<p id="state">What goes from one context to another now, and what lags behind.</p>
</header>
<form id="door" hidden>
<label for="token">The operator's token, or the access token of an account with <code>operations.read</code>.
It is kept on this page only, and forgotten when you leave it.</label>
<input id="token" type="password" autocomplete="off" required>
<button>Show the map</button>
</form>
<main id="map" hidden>
<svg id="picture" role="img" aria-label="The contexts, and what goes between them"></svg>
<p class="legend"><i class="event"></i> events a minute, to who hears of them
<i class="question"></i> questions, to who answers them
<i class="late"></i> lags behind <i class="stuck"></i> given up, or nobody handles it</p>
<table>
<thead><tr><th>event</th><th>subscriber</th><th>published<br>a minute</th><th>delivered<br>a minute</th>
<th>waiting</th><th>running</th><th>retrying</th><th>given up</th><th>lag</th></tr></thead>
<tbody id="deliveries"></tbody>
</table>
</main>
<script src="{assets}/map.js"></script>
</body>
</html>
"""


def map_route() -> Route:
    return Route("/operations/map", _map, name="map")


def _map(request: Request) -> Response:
    return page(request, MAP_PAGE, PAGE_POLICY)
