//! What of a mail's HTML a person would see.

use super::visible_text;

#[test]
fn markup_becomes_lines() {
    let html = "<html><head><title>T</title><style>p{color:red}</style></head><body><p>Dear Ann,</p>\
                <p>one<br>two &amp; three&nbsp;&#x2013; four</p><ul><li>a<li>b</ul>\
                <table><tr><td>x</td><td>y</td></tr><tr><td>z</td></tr></table></body></html>";
    assert_eq!(visible_text(html), "Dear Ann,\n\none\ntwo & three – four\n- a\n- b\nx\ty\nz");
}

#[test]
fn what_a_person_cannot_see_does_not_come_through() {
    for hidden in [
        "<div style='display:none'>SECRET <b>x</b></div>",
        "<span style=\"DISPLAY : none !important\">SECRET</span>",
        "<span style=\"dis/**/play:none\">SECRET</span>",
        "<div style='visibility:hidden'>SECRET</div>",
        "<div style='opacity:0'>SECRET</div>",
        "<div style='opacity:0.0;color:red'>SECRET</div>",
        "<span style='font-size:0px'>SECRET</span>",
        "<span style='font-size:1px'>SECRET</span>",
        "<span style='mso-hide:all'>SECRET</span>",
        "<span style='color:#fff'>SECRET</span>",
        "<span style='color: rgb(255, 255, 255)'>SECRET</span>",
        "<font color=white>SECRET</font>",
        "<div style='background:#123456'><i style='color:#123456'>SECRET</i></div>",
        "<div style='max-height:0;overflow:hidden'>SECRET</div>",
        "<div style='text-indent:-9999px'>SECRET</div>",
        "<div style='position:absolute;left:-10000px'>SECRET</div>",
        "<p hidden>SECRET</p>",
        "<!-- SECRET -->",
        "<!--[if mso]>SECRET<![endif]-->",
        "<script>SECRET</script>",
        "<SCRIPT>if (a</b) SECRET</SCRIPT>",
        "<style>.h{display:none}</style><p class='a h'>SECRET</p>",
        "<style>#h , b {display:none}</style><p id=h>SECRET</p>",
        "<template>SECRET</template>",
        "<noscript>SECRET</noscript>",
        "<div style='display:none'><div>SECRET</div>SECRET</div>",
        "<a style='display:none' href='https://x.example/SECRET'>SECRET</a>",
        "<img src='https://tracker.example/SECRET'>",
        "<svg><text>SECRET</text></svg>",
        "<p title='SECRET'></p>",
    ] {
        let text = visible_text(&format!("<p>before</p>{hidden}<p>after</p>"));
        assert!(!text.contains("SECRET"), "{hidden}: {text}");
        assert!(text.starts_with("before") && text.ends_with("after"), "{hidden}: {text}");
    }
}

#[test]
fn what_a_person_sees_is_not_taken_away() {
    for shown in [
        "<div style='background-color:#000'><p style='color:#fff'>SEEN</p></div>",
        "<table bgcolor='#003366'><tr><td><font color='#FFFFFF'>SEEN</font></td></tr></table>",
        "<td style=\"background:url('x.png');color:#fff\">SEEN</td>",
        "<style>@media print {.h{display:none}}</style><p class=h>SEEN</p>",
        "<style>.x .h{display:none}</style><p class=h>SEEN</p>",
        "<div style='font-size:10px;opacity:0.8'>SEEN</div>",
        "<div style='max-height:0'></div>SEEN",
        "<p style='color:#ffffff;color:#000'>SEEN</p>",
        "<img alt='SEEN'>",
        "<span aria-hidden=true>SEEN</span>",
        "a < b SEEN",
        "<div style='display:none'>x</div></div></span>SEEN",
        "<p data-x=\"a>b\">SEEN</p>",
        "<!-->SEEN",
    ] {
        assert!(visible_text(shown).contains("SEEN"), "{shown}: {}", visible_text(shown));
    }
}

#[test]
fn links_say_where_they_lead() {
    assert_eq!(visible_text("<a href='https://x.example/a'>here</a>"), "here <https://x.example/a>");
    assert_eq!(visible_text("<a href='https://x.example/'>https://x.example</a>"), "https://x.example");
    assert_eq!(visible_text("<a href='javascript:x()'>here</a>"), "here");
    assert_eq!(visible_text("<a href='mailto:a@x.example'>a@x.example</a>"), "a@x.example");
    let long = format!("<a href='https://x.example/{}'>here</a>", "t".repeat(500));
    assert!(visible_text(&long).len() < 250);
}

#[test]
fn history_is_marked() {
    for html in [
        "Yes.<div class=\"gmail_quote\">Shall we?</div>",
        "Yes.<blockquote type=cite>Shall we?</blockquote>",
        "Yes.<hr><div id=\"divRplyFwdMsg\"><b>From:</b> Bob</div><p>Shall we?</p>",
    ] {
        let (own, count) = crate::text::folded(&visible_text(html));
        assert_eq!(own, "Yes.", "{html}");
        assert!(count > 0);
    }
}

#[test]
fn whatever_comes_ends_and_is_text() {
    for odd in [
        "<",
        "<a",
        "</",
        "<!",
        "<!--",
        "<p style=\"",
        "<p =x>",
        "&",
        "&#",
        "&#x110000;",
        "&#0;",
        "<style>{",
        "<style>@x{{",
        "</p></p>",
        "<p/>",
        "<script>",
        "<a href>x</a>",
        "\u{0}<p>\u{0}",
    ] {
        let text = visible_text(odd);
        assert!(text.len() <= odd.len() + 2, "{odd}: {text}");
    }
    let deep = "<div>".repeat(100_000) + "in";
    assert!(visible_text(&deep).ends_with("in"));
}
