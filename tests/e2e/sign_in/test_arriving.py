"""Signing in with a company account: who comes in, where they come out, and what they get."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e.test_security import Browser, first_admin
from tests.fakes.gateway import Gateway
from tests.fakes.oidc_provider import OidcProvider
from tests.fakes.signing_in import Visitor

TAKEN = "Your name is taken here"


def is_person(provider: OidcProvider, name: str, *groups: str, **claims: object) -> None:
    """From now on this person signs in."""
    person = {"sub": f"number-of-{name}", "preferred_username": name, "groups": list(groups)}
    provider.changed(person=person | claims)


def roles_and_teams(gateway: Gateway, name: str) -> tuple[list[str], list[str], bool]:
    """What the database says of a user: groups, teams, whether the admin is open."""
    told = gateway.manage("shell", "-v", "0", "-c", f"""if True:
        from django.contrib.auth.models import User
        user = User.objects.get(username={name!r})
        print(*sorted(user.groups.values_list("name", flat=True)), sep=",")
        print(*sorted(user.teams.values_list("name", flat=True)), sep=",")
        print(user.is_staff)
        """)  # fmt: skip
    groups, teams, staff = told.splitlines()
    return groups.split(",") if groups else [], teams.split(",") if teams else [], staff == "True"


def in_shell(gateway: Gateway, code: str) -> str:
    names = (
        "from django.contrib.auth.models import Group, User\n"
        "from bridge.models import Team, TeamMember, Change\n"
    )
    return gateway.manage("shell", "-v", "0", "-c", names + code)


# --- the way in -------------------------------------------------------------------------------


def test_login_offers_the_company_account_and_keeps_the_page_that_was_asked_for(
    visitor: Visitor,
) -> None:
    page = visitor.get("/admin/login/?next=/admin/bridge/team/").text
    assert "Sign in with Example Inc." in page
    assert 'href="/sign-in/?next=%2Fadmin%2Fbridge%2Fteam%2F"' in page
    assert 'name="password"' in page, "local users log in as ever"


def test_request_to_the_provider_has_what_protects_it(visitor: Visitor) -> None:
    """State, nonce and PKCE, new ones each time; no more scopes than asked for."""
    asked = [parse_qs(urlsplit(visitor.begin().headers["location"]).query) for _ in range(2)]
    first, second = asked
    assert first["code_challenge_method"] == ["S256"]
    assert set(first["scope"][0].split()) == {"openid", "profile", "email"}
    assert first["redirect_uri"] == [f"{visitor.gateway.url}/sign-in/callback/"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 32 and first[name] != second[name]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_page_of_others_begins_no_sign_in(
    visitor: Visitor, provider: OidcProvider, site: str
) -> None:
    answer = visitor.get("/sign-in/?next=/my/", **{"sec-fetch-site": site})
    assert answer.headers["location"] == "/admin/login/?next=%2Fmy%2F"
    assert visitor.get("/sign-in/", **{"sec-purpose": "prefetch"}).status_code == 302
    assert not visitor.client.cookies, "no session was made"


def test_password_still_opens_the_admin(company_gateway: Gateway) -> None:
    browser = Browser(company_gateway)
    assert browser.log_in(*first_admin(company_gateway)).headers["location"] == "/admin/"
    assert browser.get("/admin/socialaccount/socialaccount/").status == 200


PAGES_OF_ALLAUTH = [
    "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/email/",
    "/accounts/3rdparty/", "/accounts/3rdparty/signup/", "/accounts/oidc/x/login/",
    "/sign-in/signup/", "/sign-in/login/", "/login/", "/signup/", "/3rdparty/",
    "/sign-in/oidc/login/callback/",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES_OF_ALLAUTH)
def test_no_page_of_allauth_is_there(visitor: Visitor, path: str) -> None:
    assert visitor.get(path).status_code == 404


def test_only_links_of_accounts_are_in_the_admin(company_gateway: Gateway) -> None:
    """Its own pages would show the client's secret, and let in a second provider."""
    browser = Browser(company_gateway)
    browser.log_in(*first_admin(company_gateway))
    for model in ("socialaccount/socialapp", "socialaccount/socialtoken", "account/emailaddress"):
        assert browser.get(f"/admin/{model}/").status == 404
    assert b"Company accounts" in browser.get("/admin/").body


# --- where they come out ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "without_role", "as_auditor"),
    [
        ("", "/my/", "/admin/"),
        ("/dashboard/", "/my/", "/dashboard/"),
        ("/admin/bridge/change/", "/my/", "/admin/bridge/change/"),
        ("/my/?model=x", "/my/?model=x", "/my/?model=x"),
        ("https://evil.example/", "/my/", "/admin/"),
        ("//evil.example/", "/my/", "/admin/"),
        ("/\\evil.example", "/my/", "/admin/"),
        ("javascript:alert(1)", "/my/", "/admin/"),
    ],
)
def test_person_comes_out_on_a_page_of_this_gateway_that_opens(
    visitor: Visitor, provider: OidcProvider, wanted: str, without_role: str, as_auditor: str
) -> None:
    is_person(provider, "plain")
    assert visitor.comes_in(next=wanted) == without_role
    is_person(provider, "reader", "readers")
    assert visitor.comes_in(next=wanted) == as_auditor
    page = visitor.get(as_auditor)
    assert page.status_code == 200


# --- who they are -------------------------------------------------------------------------------


def test_same_account_is_the_same_user_whatever_it_is_called(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """The issue: a changed address. The username stays, the address follows."""
    is_person(provider, "grace", email="grace@example.com", given_name="Grace")
    visitor.comes_in()
    is_person(provider, "grace", preferred_username="grace.h", email="hopper@example.com")
    visitor.comes_in()
    told = in_shell(
        company_gateway,
        """
for user in User.objects.filter(username__startswith="grace"):
    print(user.username, user.email, user.first_name, user.has_usable_password())""",
    )
    assert told.split() == ["grace", "hopper@example.com", "Grace", "False"]


@pytest.mark.parametrize(
    ("claims", "username"),
    [
        ({"preferred_username": None, "email": "by.mail@example.com"}, "by.mail@example.com"),
        ({"preferred_username": "EXAMPLE\\dom", "email": "dom@example.com"}, "dom@example.com"),
        ({"preferred_username": ["x"], "email": "listed@example.com"}, "listed@example.com"),
        ({"preferred_username": "x" * 151, "email": "long@example.com"}, "long@example.com"),
    ],
)
def test_address_is_the_name_where_there_is_no_other(
    visitor: Visitor,
    provider: OidcProvider,
    company_gateway: Gateway,
    claims: dict[str, object],
    username: str,
) -> None:
    is_person(provider, username, **claims)
    visitor.comes_in()
    assert roles_and_teams(company_gateway, username) == ([], [], False)


@pytest.mark.parametrize("name", ["local", "LOCAL", "ｌocal", "admin", "Admin"])
def test_equal_name_makes_nobody_a_user_who_is_here_already(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway, name: str
) -> None:
    """The issue: no account is taken over. The page says which number an admin can link."""
    in_shell(company_gateway, 'User.objects.get_or_create(username="local")')
    is_person(provider, name, email="local@example.com", email_verified=True)
    answer = visitor.sign_in()
    assert (answer.status_code, TAKEN in answer.text) == (403, True)
    assert f"number-of-{name}" in answer.text
    assert visitor.get("/admin/").status_code == 302


def test_equal_address_makes_nobody_a_user_who_is_here_already(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """The issue: neither by a verified e-mail address. A user of their own is made."""
    in_shell(company_gateway, 'User.objects.get_or_create(username="boss", email="b@example.com")')
    is_person(provider, "sly", email="b@example.com", email_verified=True)
    visitor.comes_in()
    told = in_shell(company_gateway, """print(*User.objects.filter(email="b@example.com"))""")
    assert sorted(told.split()) == ["boss", "sly"]


def test_admin_links_a_user_and_takes_the_link_away(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """Afterwards that account is that user, with the roles that were given by hand."""
    user = in_shell(company_gateway, """user = User.objects.create(username="linked", is_staff=True)
user.groups.add(Group.objects.get(name="operator"))
print(user.pk)""")  # fmt: skip
    is_person(provider, "linked")
    assert TAKEN in visitor.sign_in().text
    with Visitor(company_gateway, provider) as admin:
        log_in(admin)
        page = "/admin/socialaccount/socialaccount/"
        admin.get(f"{page}add/")
        form = {"user": user.strip(), "uid": "number-of-linked"}
        assert admin.post(f"{page}add/", **form).status_code == 302
        again = admin.post(f"{page}add/", **form)
        assert "linked already" in again.text
        assert visitor.comes_in() == "/admin/"
        row = re.search(rf"{page}(\d+)/change/", admin.get(page).text)
        assert row is not None
        assert admin.post(f"{page}{row[1]}/delete/", post="yes").status_code == 302
    assert TAKEN in visitor.sign_in().text


def log_in(visitor: Visitor) -> None:
    """As the first admin."""
    visitor.get("/admin/login/")
    name, password = first_admin(visitor.gateway)
    answer = visitor.post("/admin/login/", username=name, password=password, next="/admin/")
    assert answer.status_code == 302


def test_links_are_for_admins_alone(visitor: Visitor, provider: OidcProvider) -> None:
    is_person(provider, "op", "operators")
    visitor.comes_in()
    assert visitor.get("/admin/bridge/backend/").status_code == 200
    for page in ("socialaccount/socialaccount/", "socialaccount/socialaccount/add/",
                 "bridge/groupmapping/", "bridge/groupmapping/add/"):  # fmt: skip
        assert visitor.get(f"/admin/{page}").status_code == 403


def test_user_who_is_switched_off_does_not_come_in_and_open_pages_end(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    is_person(provider, "leaver", "readers")
    visitor.comes_in()
    assert visitor.get("/dashboard/").status_code == 200
    in_shell(company_gateway, 'User.objects.filter(username="leaver").update(is_active=False)')
    assert visitor.get("/dashboard/").status_code == 302
    answer = visitor.sign_in()
    assert (answer.status_code, "switched off" in answer.text) == (403, True)


# --- what they get ------------------------------------------------------------------------------


def test_groups_give_roles_and_teams_and_take_them_away(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """The issue: on every sign-in what came from the provider is brought up to date."""
    is_person(provider, "mover", "operators", "/company/blue", "unknown")
    assert visitor.comes_in() == "/admin/"
    assert roles_and_teams(company_gateway, "mover") == (["operator"], ["blue"], True)
    is_person(provider, "mover", "everybody")
    visitor.comes_in()
    assert roles_and_teams(company_gateway, "mover") == (["auditor"], ["green"], True)
    is_person(provider, "mover", groups=None)
    assert visitor.comes_in() == "/my/"
    assert roles_and_teams(company_gateway, "mover") == ([], [], False)
    told = in_shell(
        company_gateway,
        """
for change in Change.objects.filter(actor="provider Example Inc."):
    print(change.label, change.verb, change.summary)
for change in Change.objects.filter(kind="sign_ins", actor="mover"):
    print(change, change.summary)""",
    )
    assert told.count("blue changed mover") == 2 and told.count("green changed mover") == 2
    assert "mover added role operator" in told and "mover changed role auditor -> none" in told
    assert told.count("mover signed in with Example Inc.") == 3


def test_what_was_given_by_hand_stays(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    is_person(provider, "veteran")
    visitor.comes_in()
    in_shell(
        company_gateway,
        """user = User.objects.get(username="veteran")
user.groups.add(Group.objects.get(name="auditor"))
TeamMember(team=Team.objects.get(name="green"), user=user).save()""",
    )
    is_person(provider, "veteran", "everybody", "operators", "/company/blue")
    visitor.comes_in()
    both = (["auditor", "operator"], ["blue", "green"], True)
    assert roles_and_teams(company_gateway, "veteran") == both
    is_person(provider, "veteran")
    visitor.comes_in()
    assert roles_and_teams(company_gateway, "veteran") == (["auditor"], ["green"], True)


def test_one_group_may_come_as_a_text(visitor: Visitor, provider: OidcProvider) -> None:
    is_person(provider, "single", groups="readers")
    assert visitor.comes_in() == "/admin/"


def test_file_has_what_groups_give_and_leaves_out_whom_they_gave_it(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """A file that is read back takes nobody out whom a group brought in."""
    is_person(provider, "filed", "/company/blue")
    visitor.comes_in()
    file = company_gateway.manage("export_config")
    assert "{group: everybody, team: green, role: auditor}" in file
    assert "filed" not in file
    company_gateway.manage("import_config", "-", said=file)
    assert roles_and_teams(company_gateway, "filed") == ([], ["blue"], False)


# --- the way out --------------------------------------------------------------------------------


def test_log_out_ends_here_and_offers_to_end_at_the_provider(
    visitor: Visitor, provider: OidcProvider
) -> None:
    is_person(provider, "ender", "readers")
    visitor.comes_in()
    assert visitor.get("/admin/login/").status_code == 302
    left = visitor.post("/admin/logout/")
    assert left.status_code == 200
    assert 'href="/sign-in/leave/"' in left.text
    assert visitor.get("/dashboard/").status_code == 302
    onward = visitor.get("/sign-in/leave/")
    address = urlsplit(onward.headers["location"])
    asked = parse_qs(address.query)
    assert address.path == "/logout"
    assert asked["post_logout_redirect_uri"] == [f"{visitor.gateway.url}/admin/login/"]
    assert asked["client_id"] == ["gateway"] and asked["id_token_hint"][0].startswith("eyJ")
    assert visitor.get("/sign-in/leave/").headers["location"] == "/admin/login/"


def test_local_user_is_offered_no_other_log_out(visitor: Visitor) -> None:
    log_in(visitor)
    left = visitor.post("/admin/logout/")
    assert left.status_code == 200
    assert "/sign-in/leave/" not in left.text


def test_session_is_another_one_once_somebody_is_in(
    visitor: Visitor, provider: OidcProvider
) -> None:
    """Whoever planted a session in a browser does not share it afterwards."""
    is_person(provider, "fresh")
    back = visitor.agree(visitor.begin())
    before = visitor.client.cookies["sessionid"]
    answer: httpx.Response = visitor.client.get(back)
    assert answer.status_code == 302
    assert visitor.client.cookies["sessionid"] != before
