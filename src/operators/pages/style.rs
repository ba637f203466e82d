//! How the console looks: one style sheet, light and dark, from a phone to a wide desk.
//!
//! What holds here: it loads nothing from elsewhere; nothing is told by colour alone; text has a contrast of 4.5 to 1 at
//! least (WCAG 2.2, 1.4.3) in both colour schemes.

/// The style sheet.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d3d9e0;--link:#0b57d0;\
--on:#fff;--bad:#b3261e;--bad-bg:#fdecea;--warn:#734600;--warn-bg:#fff3d6;--good:#0f6328;--good-bg:#e2f4e6;\
--bar:#6d97e8;--dim:#c3cad3}\
@media(prefers-color-scheme:dark){:root{--bg:#13161a;--card:#1b1f25;--fg:#e8eaed;--soft:#a7b0bb;--line:#39414b;\
--link:#8ab4f8;--on:#0d1117;--bad:#ff9d94;--bad-bg:#3f1b18;--warn:#f3c469;--warn-bg:#38290e;--good:#82d89a;\
--good-bg:#15331f;--bar:#5580d0;--dim:#4a535f}}\
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:1rem/1.5 system-ui,sans-serif;\
overflow-wrap:anywhere}a{color:var(--link)}\
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:.2rem}\
.skip{position:absolute;left:-99rem}.skip:focus{left:.5rem;top:.5rem;background:var(--card);padding:.5rem 1rem;z-index:1}\
header,footer{background:var(--card);border-bottom:1px solid var(--line)}\
header>div,footer>div,main{max-width:100rem;margin:0 auto;padding:.6rem 1.25rem}\
header>div,footer>div{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:center}\
header strong{font-size:1.05rem}header nav{display:flex;flex-wrap:wrap;gap:0 .25rem;flex:1 1 20rem}\
header nav a{padding:.35rem .6rem;text-decoration:none;border-radius:.4rem}header nav a:hover{text-decoration:underline}\
header nav a[aria-current]{background:var(--bg);color:var(--fg);font-weight:600;box-shadow:inset 0 -2px var(--link)}\
.who{display:flex;gap:.75rem;align-items:center;color:var(--soft);font-size:.9rem}\
footer{border:0;border-top:1px solid var(--line);margin-top:2rem;color:var(--soft);font-size:.9rem}\
main{padding-top:1.25rem;outline:0}h1{font-size:1.6rem;line-height:1.25;margin:.25rem 0 .75rem}\
h2{font-size:1.15rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:1.25rem 0 .4rem}p{margin:.5rem 0;max-width:48rem}\
ul.plain{list-style:none;margin:0}ul.plain:not(.card){padding:0}.crumbs{font-size:.9rem;color:var(--soft)}.crumbs a{margin-right:.2rem}\
code{font:.9em/1.4 ui-monospace,monospace}time,.n,dd,.big{font-variant-numeric:tabular-nums}\
time b{font-weight:inherit;white-space:nowrap}time b+span{color:var(--soft);font-size:.85em;white-space:nowrap}\
.none,.soft{color:var(--soft)}.none{font-style:italic}\
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.75rem 1rem}\
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem;align-items:start}\
.card>h2{margin-top:0}dl.card{max-width:48rem}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.75rem;\
margin:1rem 0}.tiles>div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.6rem .75rem;\
display:flex;flex-direction:column-reverse;justify-content:flex-end}.tiles dt{color:var(--soft);font-size:.85rem}\
.tiles dd{margin:0;font-size:1.5rem;line-height:1.3;font-weight:600}\
dl{margin:0}dl.facts>div{display:grid;grid-template-columns:minmax(7rem,2fr) 3fr;gap:.25rem 1rem;padding:.35rem 0;\
border-top:1px solid var(--line)}dl.facts>div:first-child{border:0}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0}\
.badge{display:inline-block;padding:.05rem .5rem;margin:.1rem .15rem .1rem 0;border-radius:1rem;font-size:.875rem;\
border:1px solid var(--line);background:var(--bg)}.badge.bad{color:var(--bad);background:var(--bad-bg);border-color:var(--bad)}\
.badge.warn{color:var(--warn);background:var(--warn-bg);border-color:var(--warn)}\
.badge.good{color:var(--good);background:var(--good-bg);border-color:transparent}\
.banner{max-width:none;margin:.75rem 0;border-left:.35rem solid var(--soft);background:var(--card);padding:.6rem 1rem;border-radius:.3rem}\
.banner.bad{border-color:var(--bad);background:var(--bad-bg);color:var(--bad)}\
.banner.warn{border-color:var(--warn);background:var(--warn-bg);color:var(--warn)}\
.banner.good{border-color:var(--good);background:var(--good-bg);color:var(--good)}.banner a,.banner .none{color:inherit}\
.banner time b+span{color:inherit}\
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.6rem}\
table{border-collapse:collapse;width:100%;font-size:.93rem}th,td{padding:.45rem .65rem;text-align:left;vertical-align:baseline;\
border-top:1px solid var(--line)}thead th{border:0;color:var(--soft);font-weight:600}\
tbody th{font-weight:inherit}th.n,td.n{text-align:right}td.n{white-space:nowrap}td,th{overflow-wrap:break-word}\
form{margin:0}form.line{display:flex;flex-wrap:wrap;gap:.6rem .9rem;align-items:end;margin:1rem 0}\
label{display:block;font-size:.9rem;color:var(--soft)}input,select{font:inherit;color:inherit;background:var(--card);\
border:1px solid var(--soft);border-radius:.4rem;padding:.4rem .6rem;width:100%;min-height:2.5rem}\
.field{flex:1 1 11rem;min-width:0;max-width:20rem}.field.day{flex-basis:14rem}.field.wide{flex-basis:24rem;max-width:40rem}\
button,.button{font:inherit;display:inline-block;min-height:2.5rem;padding:.4rem 1.1rem;border-radius:.4rem;\
border:1px solid var(--link);background:var(--link);color:var(--on);cursor:pointer;text-decoration:none}\
button.quiet,.button.quiet{background:transparent;color:var(--link)}button.bad{background:var(--bad);border-color:var(--bad);\
color:var(--on)}header button{min-height:0;padding:.15rem .7rem}.row{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0}\
.acts li{display:grid;grid-template-columns:12rem 1fr;gap:.2rem 1rem;padding:.45rem 0;border-top:1px solid var(--line)}\
.acts li:first-child{border:0}.acts span{color:var(--soft);max-width:60rem}\
.pager{display:flex;gap:1.5rem;margin:1rem 0}figure{margin:0}figcaption{margin-bottom:.9rem}\
.chart{display:block;width:100%;height:9rem;border-bottom:1px solid var(--soft)}.lines{display:block;width:100%;overflow:hidden}\
.lines text{fill:var(--fg);font:13px system-ui,sans-serif}.lines .axis{fill:var(--soft)}\
.ok{fill:var(--bar)}.ko{fill:var(--bad)}.wait{fill:var(--dim)}.end{fill:var(--good)}.hit{fill:transparent}\
.hour:hover .hit{fill:var(--fg);fill-opacity:.08}\
.ticks{display:flex;justify-content:space-between;gap:.6rem;overflow-wrap:normal;color:var(--soft);font-size:.85rem;font-variant-numeric:tabular-nums}\
.key{display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;margin:0 .35rem 0 .9rem;vertical-align:-.05rem}\
.key.okay{background:var(--bar)}.key.kaput{background:var(--bad)}details{margin-top:.6rem}summary{cursor:pointer;color:var(--link)}\
details table{width:auto;margin-top:.5rem}\
@media(min-width:46.01rem){td .badge{white-space:nowrap}}\
@media(max-width:46rem){header>div,footer>div,main{padding-left:.9rem;padding-right:.9rem}h1{font-size:1.35rem}header nav{flex-basis:100%;margin:0 -.45rem}header nav a{padding:.35rem .45rem;font-size:.95rem}\
.acts li,dl.facts>div{grid-template-columns:1fr;gap:0}.field,.field.day,.field.wide{flex-basis:100%;max-width:none}\
.scroll{border:0;background:none;overflow:visible}.scroll table,.scroll tbody,.scroll tr,.scroll td,.scroll tbody th{display:block}\
.scroll thead{position:absolute;left:-99rem}.scroll tr{background:var(--card);border:1px solid var(--line);\
border-radius:.6rem;padding:.4rem .9rem;margin-bottom:.75rem}\
.scroll td,.scroll tbody th,.scroll td.n{display:grid;grid-template-columns:7.5rem 1fr;gap:.75rem;padding:.3rem 0;text-align:left;\
white-space:normal;border-top:1px solid var(--line)}.scroll tbody th{border:0;font-weight:600}\
.scroll td::before,.scroll tbody th::before{content:attr(data-label);color:var(--soft);font-weight:400}\
.scroll td>div,.scroll th>div{min-width:0;overflow-wrap:anywhere}}\
@media print{header nav,form,.skip{display:none}}";
