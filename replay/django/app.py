"""The incident's app: one view, one query. gunicorn's worker class decides what CONN_MAX_AGE does to it."""

import os
from urllib.parse import urlparse

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

url = urlparse(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this test",
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": url.hostname,
            "PORT": url.port,
            "USER": url.username,
            "PASSWORD": url.password,
            "NAME": url.path[1:],
            "CONN_MAX_AGE": int(os.environ["CONN_MAX_AGE"]),
            # A pooler in transaction mode takes no cursors of the server. This view uses none.
            "DISABLE_SERVER_SIDE_CURSORS": True,
        }
    },
)
django.setup()


def view(request):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select count(*) from generate_series(1, 100)")
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = [path("", view)]
application = get_wsgi_application()
