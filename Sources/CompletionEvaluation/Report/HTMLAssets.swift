// Style and script of the report page. The script reads the cases from the page, filters them, draws them fifty at a
// time and marks what differs, word by word.

enum HTMLAssets {
    static let style = """
        :root{color-scheme:light dark;--back:#fff;--card:#f5f6f8;--text:#1b1f24;--soft:#59636e;--line:#d5dae0;\
        --accent:#0a58ca;--good:#1a7f37;--bad:#c0272d;--goodback:#d9f2df;--badback:#fbdfe0;\
        --c0:#2f6fdb;--c1:#c2571a;--c2:#2a8a57;--c3:#8a4bc2}
        @media (prefers-color-scheme:dark){:root{--back:#0f1216;--card:#191e25;--text:#e7ebf0;--soft:#9aa6b2;\
        --line:#303944;--accent:#7db2ff;--good:#5fd07f;--bad:#ff8c8c;--goodback:#123d21;--badback:#4a1d20;\
        --c0:#6ea3ff;--c1:#f0965a;--c2:#5cc98c;--c3:#c39af0}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;\
        overflow-wrap:anywhere}
        header,main{max-width:1180px;margin:0 auto;padding:12px 16px}
        h1{font-size:1.6rem;line-height:1.25;margin:.4em 0 .2em}
        h2{font-size:1.2rem;margin:1.6em 0 .6em;scroll-margin-top:8px}
        header p,.note,.legend,small{color:var(--soft)} header p{margin:.2em 0}
        .warning{color:var(--bad);font-weight:600}
        .skip{position:absolute;left:-999px} .skip:focus{left:8px;top:8px;background:var(--card);padding:8px;z-index:1}
        a{color:var(--accent)} :focus-visible{outline:3px solid var(--accent);outline-offset:2px}
        .tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin-bottom:14px}
        .tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
        .tile span,.tile small{display:block;font-size:.85rem} .tile strong{font-size:1.5rem;line-height:1.3}
        .scroll{overflow-x:auto} table{border-collapse:collapse;font-size:.92rem;overflow-wrap:normal}
        th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);white-space:nowrap}
        td{font-variant-numeric:tabular-nums}
        .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:14px}
        figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
        figcaption{font-weight:600;margin-bottom:6px} svg{width:100%;height:auto;display:block}
        svg text{fill:var(--soft);font:11px system-ui,sans-serif} .grid{stroke:var(--line)}
        .whisker{stroke:var(--text);stroke-width:1.5} .curve{fill:none;stroke-width:2}
        .c0{fill:var(--c0);background:var(--c0)}.c1{fill:var(--c1);background:var(--c1)}
        .c2{fill:var(--c2);background:var(--c2)}.c3{fill:var(--c3);background:var(--c3)}
        .s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
        .legend{margin:6px 0 0;font-size:.85rem} .legend span{margin-right:12px}
        .legend i{display:inline-block;width:10px;height:10px;margin-right:4px;border-radius:2px}
        .filters{display:flex;flex-wrap:wrap;gap:10px} .filters label{font-size:.85rem;color:var(--soft)}
        select,input,button{display:block;font:inherit;color:inherit;background:var(--card);max-width:100%;\
        border:1px solid var(--line);border-radius:6px;padding:7px 9px;min-height:40px}
        button{cursor:pointer;margin:14px auto}
        #list details{border:1px solid var(--line);border-radius:8px;margin:8px 0;background:var(--card)}
        summary{cursor:pointer;padding:9px 12px;min-height:40px} summary b{font-weight:600}
        .mark{display:inline-block;min-width:5.2em;font-weight:600} .exact{color:var(--good)} .wrong{color:var(--bad)}
        .body{padding:0 12px 12px}
        pre{margin:4px 0 10px;padding:8px 10px;background:var(--back);border:1px solid var(--line);border-radius:6px;\
        overflow-x:auto;white-space:pre-wrap;font:13px/1.45 ui-monospace,monospace;tab-size:4}
        .dim{color:var(--soft)} ins{background:var(--badback);text-decoration:none;border-bottom:2px solid var(--bad)}
        del{background:var(--goodback);text-decoration:none;border-bottom:2px solid var(--good)}
        .hole{outline:1px dashed var(--accent)}
        .two{display:grid;grid-template-columns:1fr 1fr;gap:10px}
        @media (max-width:640px){table{font-size:.82rem}th,td{padding-right:8px}\
        .two{grid-template-columns:1fr}.filters label{flex:1 1 45%}\
        select,input{width:100%}}
        """

    static let script = #"""
        "use strict";
        const cases = JSON.parse(document.getElementById("data").textContent);
        const form = document.getElementById("filters"), list = document.getElementById("list");
        const more = document.getElementById("more"), count = document.getElementById("count");
        const PAGE = 50, DIFF_LIMIT = 600;
        let found = [], shown = 0;
        const element = (name, style, text) => {
          const e = document.createElement(name);
          if (style) e.className = style;
          if (text !== undefined) e.textContent = text;
          return e;
        };
        const fill = (name) => {
          const select = form.elements[name];
          for (const value of [...new Set(cases.map((c) => c[name]))].sort())
            select.append(new Option(value, value));
        };
        fill("configuration"); fill("kind"); fill("language");
        if (cases.length) form.elements.configuration.value = cases[0].configuration;
        const words = (text) => text.match(/\w+|\s+|[^\w\s]/gu) || [];
        // Longest common subsequence of words; what is on one side only gets marked there.
        const diff = (a, b) => {
          a = words(a); b = words(b);
          if (a.length * b.length > DIFF_LIMIT * DIFF_LIMIT) return null;
          const n = a.length, m = b.length, table = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
          for (let i = n - 1; i >= 0; i--)
            for (let j = m - 1; j >= 0; j--)
              table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
          const left = [], right = [];
          let i = 0, j = 0;
          while (i < n || j < m) {
            if (i < n && j < m && a[i] === b[j]) { left.push(["", a[i++]]); right.push(["", b[j++]]); }
            else if (j >= m || (i < n && table[i + 1][j] >= table[i][j + 1])) left.push(["del", a[i++]]);
            else right.push(["ins", b[j++]]);
          }
          return [left, right];
        };
        const marked = (parts, text) => {
          const pre = element("pre");
          if (!parts) { pre.textContent = text; return pre; }
          for (const [tag, word] of parts) pre.append(tag ? element(tag, "", word) : word);
          return pre;
        };
        const body = (c) => {
          const box = element("div", "body");
          const code = element("pre");
          const hole = element("span", "hole", c.expected);
          code.append(element("span", "dim", c.before), hole, element("span", "dim", c.after));
          box.append(element("small", "", "In the file, the expected text outlined"), code);
          if (c.error) box.append(element("p", "wrong", c.error));
          const parts = diff(c.expected, c.got), two = element("div", "two");
          for (const [title, side, text] of [["Expected", 0, c.expected], ["Got", 1, c.got]]) {
            const cell = element("div");
            cell.append(element("small", "", title), marked(parts && parts[side], text || "(nothing)"));
            two.append(cell);
          }
          box.append(two);
          const facts = [`similarity ${c.similarity}`, `prompt ${c.prompt} tokens`, `${c.milliseconds} ms`, c.stop];
          if (c.probability !== undefined) facts.splice(1, 0, `token probability ${c.probability}`);
          box.append(element("small", "", facts.join(" · ")));
          if (c.context.length) box.append(element("br"), element("small", "", "context: " + c.context.join(", ")));
          return box;
        };
        const entry = (c) => {
          const details = element("details"), summary = element("summary");
          const outcome = c.error ? "failed" : c.exact ? "exact" : c.got ? "differs" : "nothing";
          summary.append(element("span", "mark " + (c.exact ? "exact" : "wrong"), outcome), element("b", "", c.id));
          details.append(summary);
          details.addEventListener("toggle", () => { if (details.open && !details.lastChild.classList.contains("body"))
            details.append(body(c)); });
          return details;
        };
        const showMore = () => {
          for (const c of found.slice(shown, shown + PAGE)) list.append(entry(c));
          shown = Math.min(found.length, shown + PAGE);
          more.hidden = shown >= found.length;
          count.textContent = `${found.length} cases, ${shown} shown`;
        };
        const outcomes = {
          "": () => true, exact: (c) => c.exact, wrong: (c) => !c.exact && !c.error,
          hidden: (c) => !c.error && !c.got, failed: (c) => !!c.error,
        };
        const filter = () => {
          const f = form.elements, text = f.text.value.toLowerCase();
          found = cases.filter((c) => c.configuration === f.configuration.value && outcomes[f.outcome.value](c)
            && (!f.kind.value || c.kind === f.kind.value) && (!f.language.value || c.language === f.language.value)
            && (!text || (c.id + " " + c.expected + " " + c.got).toLowerCase().includes(text)));
          list.replaceChildren();
          shown = 0;
          showMore();
        };
        form.addEventListener("input", filter);
        more.addEventListener("click", () => {
          const first = list.children.length;
          showMore();
          list.children[first]?.firstChild.focus();
        });
        filter();
        """#
}
