"""The dashboard as an operator uses it, in a real browser at desktop and phone size, over a desk that really runs."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Desk, Watched

SIGN = "−"


def sequence(page: Page) -> int:
    shown = page.locator("cb-truth").inner_text()
    found = re.search(r"#(\d+)", shown)
    return int(found[1]) if found else -1


def wait_connected(page: Page) -> None:
    expect(page.locator("cb-truth")).to_contain_text(re.compile(r"#\d+"))


def test_quotes_move_and_nothing_scrolls_sideways(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    expect(page.locator("cb-truth .mode")).to_have_text("PAPER")
    page.click("#tab-chain")
    page.wait_for_selector("table.chain tbody tr")
    before = page.locator("table.chain tbody").inner_text()
    expect(page.locator("table.chain tbody")).not_to_have_text(before, use_inner_text=True)
    assert page.locator("table.chain tbody tr").count() > 10
    assert page.locator("cb-chain svg circle").count() > 5
    for tab in ("ticket", "chain", "explain", "equity", "actors", "facts"):
        page.click(f"#tab-{tab}")
        page.wait_for_timeout(150)
        assert watched.fits(), tab
    assert watched.errors == []


def test_the_token_leaves_the_address_and_a_wrong_one_is_asked_for_again(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    assert "token" not in page.url
    page.evaluate("sessionStorage.clear()")
    page = watched.open(desk, "somebody-elses-0123456789")
    page.reload()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("the token was not accepted")
    dialog.locator("input[name=token]").fill("admin-0123456789-abcdefghij")
    dialog.locator("button[type=submit]").click()
    wait_connected(page)
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_condor_through_the_ticket_is_previewed_sent_filled_and_shown_with_greeks(
    desk: Desk, watched: Watched
) -> None:
    page = watched.open(desk)
    wait_connected(page)
    expect(page.locator("cb-ticket select[aria-label=expiry] option")).not_to_have_count(0)
    page.select_option("cb-ticket select[aria-label=strategy]", "iron_condor")
    expect(page.locator("cb-ticket .leg")).to_have_count(4)
    page.click("cb-ticket >> text=natural")
    expect(page.locator("cb-ticket .sentence")).to_contain_text("SELL 1 ACME iron condor for a credit of at least")
    expect(page.locator("cb-ticket .verdict")).to_contain_text("Risk lets it pass.")
    worst = page.locator("cb-ticket dt:text('worst case') + dd").inner_text()
    assert worst.startswith(SIGN)
    assert page.locator("cb-ticket svg.payoff path.line").count() == 1
    rows = page.locator("cb-positions tbody tr:not(.group)")
    held = len(desk.get("/positions"))
    expect(rows).to_have_count(held)
    page.click("text=Review and send")
    sentence = page.locator("dialog[open] p").inner_text()
    assert sentence.startswith("SELL 1 ACME iron condor")
    assert "max loss $" in sentence
    page.click("dialog[open] button[type=submit]")
    expect(page.locator("cb-orders tbody tr").first).to_contain_text("filled", timeout=60_000)
    expect(rows).to_have_count(held + 1, timeout=60_000)
    last = rows.nth(held)
    expect(last).to_contain_text("Iron Condor")
    row = last.locator("td").all_inner_texts()
    assert all(re.search(r"\d", cell) for cell in (row[1], row[2], row[4])), row
    last.locator("text=why").click()
    expect(page.locator("cb-explain svg.payoff")).to_have_count(1)
    expect(page.locator("cb-explain")).to_contain_text("if we die")
    assert watched.fits()
    assert watched.errors == []


def test_a_position_is_closed_from_its_row(desk: Desk, watched: Watched) -> None:
    desk.hold_condor()
    page = watched.open(desk)
    wait_connected(page)
    rows = page.locator("cb-positions tbody tr:not(.group)")
    expect(rows.first).to_contain_text("Iron Condor")
    held = len(desk.get("/positions"))
    expect(rows).to_have_count(held)
    rows.first.locator("text=close").click()
    expect(page.locator("cb-ticket .closing")).to_contain_text("closes Iron Condor")
    page.click("cb-ticket >> text=natural")
    expect(page.locator("cb-ticket .sentence")).to_contain_text("Iron Condor", ignore_case=True)
    page.wait_for_timeout(600)
    page.click("text=Review and send")
    page.click("dialog[open] button[type=submit]")
    expect(rows).to_have_count(held - 1, timeout=60_000)
    assert watched.errors == []


def test_an_order_that_ends_at_once_is_shown_all_the_same(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    page.wait_for_timeout(500)
    symbol = desk.get("/chain/ACME")["contracts"][0]["symbol"]
    order_id = f"too-large-{watched.page.viewport_size['width']}"  # type: ignore[index]
    body = {"order_id": order_id, "legs": [{"symbol": symbol, "ratio": 1}], "quantity": 5000, "limit_price": "900"}
    assert desk.post("/orders?wait=final", body)["state"] == "denied"
    row = page.locator("cb-orders tbody tr", has_text="5000")
    expect(row.filter(has_text="denied").first).to_be_visible()
    assert watched.errors == []


def test_halt_by_key_needs_the_word_and_reset_needs_two_steps(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    page.locator("body").press("h")
    dialog = page.locator("dialog[open]")
    dialog.locator("input[name=reason]").fill("tested by hand")
    dialog.locator("input[name=confirm]").fill("hlat")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".error")).to_contain_text("type the word halt")
    dialog.locator("input[name=confirm]").fill("halt")
    dialog.locator("button[type=submit]").click()
    expect(page.locator("cb-truth")).to_contain_text("reduce-only: tested by hand")
    expect(page.locator("body")).to_have_class(re.compile("halted"))
    expect(page.locator("cb-needs")).to_contain_text("breaker at reduce-only")
    page.locator("body").press("r")
    page.locator("dialog[open] input[name=reason]").fill("it was a test")
    page.click("dialog[open] button[type=submit]")
    phrase = page.locator("dialog[open] .phrase").inner_text()
    page.locator("dialog[open] input[name=phrase]").fill("something else")
    page.locator("dialog[open] button[type=submit]").last.click()
    expect(page.locator("dialog[open] .error").last).not_to_be_empty()
    page.locator("dialog[open] input[name=phrase]").fill(phrase)
    page.locator("dialog[open] button[type=submit]").last.click()
    expect(page.locator("cb-truth")).to_contain_text("breaker normal")
    expect(page.locator("body")).not_to_have_class(re.compile("halted"))
    # The refused phrase is the one answer with an error status.
    assert [error for error in watched.errors if "409" not in error] == []


def test_a_killed_actor_is_seen_again_and_the_book_is_the_same(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    before = desk.get("/holdings")
    page.locator("body").press("a")
    row = page.locator("cb-actors tr", has_text="positions")
    again = int(row.locator("td").nth(4).inner_text())
    row.locator("button").click()
    page.click("dialog[open] button[type=submit]")
    expect(row.locator("td").nth(4)).to_have_text(str(again + 1))
    expect(row.locator("td").nth(1)).to_have_text("running")
    assert desk.get("/holdings") == before
    assert watched.errors == []


def test_facts_are_filtered_by_word(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    page.locator("body").press("/")
    page.keyboard.type("SessionOpened")
    facts = page.locator("cb-facts .fact")
    expect(facts).to_have_count(1)
    expect(facts.first).to_contain_text("session opened")
    page.locator("cb-facts input").fill("no such thing")
    expect(facts).to_have_count(0)
    assert watched.errors == []


def test_after_kill_9_of_the_daemon_the_page_resumes_without_a_gap(desk: Desk, watched: Watched) -> None:
    page = watched.open(desk)
    wait_connected(page)
    before = sequence(page)
    desk.kill()
    expect(page.locator("cb-truth")).to_contain_text("cut:")
    desk.start_again()
    wait_connected(page)
    for _ in range(300):
        if sequence(page) > before + 2:
            break
        page.wait_for_timeout(100)
    assert sequence(page) > before + 2
    assert "gap" not in page.locator("cb-truth").inner_text()
    page.click("#tab-facts")
    page.select_option("cb-facts select", "all")
    seen = page.evaluate(
        "Array.from(document.querySelectorAll('cb-facts .fact > span:nth-child(2)'), (each) => Number(each.innerText))"
    )
    assert seen == list(range(seen[0], seen[0] - len(seen), -1)), "facts are missing on the page"
