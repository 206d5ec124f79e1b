//! What the doctor finds, in words: what it is, and what to do about it where something is to be done.

use portico_protocol::doctor::Found;

use crate::text::Lang;

/// What was found, and advice; no advice where nothing is to be done.
pub(crate) fn words(lang: Lang, found: Found) -> (&'static str, &'static str) {
    match lang {
        Lang::En => english(found),
        Lang::Zh => chinese(found),
    }
}

fn english(found: Found) -> (&'static str, &'static str) {
    match found {
        Found::OriginNotListed => (
            "The page's origin is not in the configuration",
            "Add it to the site's origins, or to a publisher's, and publish. Pages of other origins are not looked at.",
        ),
        Found::Unreachable => ("The page does not answer", "Check the address, and that the edge can reach it."),
        Found::Status => ("The page answers with an error", "Give the address of a page that visitors see."),
        Found::Redirect => ("The page leads elsewhere", "What follows is about the page that it leads to."),
        Found::NoHtml => ("What the address answers is not HTML", "Give the address of a page."),
        Found::TooLong => (
            "Only the page's beginning was looked at",
            "It is longer than two megabytes, or was broken off. What follows may miss something.",
        ),
        Found::TagMissing => ("The script tag is missing", "Paste it into the page's head, with the site's own key."),
        Found::TagManager => (
            "The script tag is not in the HTML, but a tag manager is",
            "If the manager adds the tag, run portico('doctor') in the page's console. If not, paste it into the head.",
        ),
        Found::TagFine => ("One script tag", ""),
        Found::TagTwice => ("There are several script tags", "The first one works, the others do nothing. Keep one."),
        Found::TagBlocks => ("The script tag holds up the page", "Write async or defer into it."),
        Found::TagHeldBack => (
            "The script tag's type keeps it from running",
            "So consent managers hold it back until the visitor agrees. If none does, leave the type out.",
        ),
        Found::TagElsewhere => (
            "The script tag loads from another edge",
            "What follows is what this edge knows. If that one is retired, load from here.",
        ),
        Found::TagInsecure => {
            ("The script tag loads without TLS into a page that has it", "Browsers refuse that. Write https.")
        }
        Found::KeyMissing => ("The script tag has no key", "Copy the key from the site's set-up."),
        Found::KeyUnknown => {
            ("Nobody has this key", "Copy it from the site's set-up. A secret key has no place in a page.")
        }
        Found::KeyOfOther => ("The key is another site's", "Use this site's own."),
        Found::KeyElsewhere => {
            ("The key does not serve this origin", "Add the origin to the key's origins and publish.")
        }
        Found::KeyFine => ("The key serves this page", ""),
        Found::Evergreen => ("The release is kept up to date", ""),
        Found::IntegrityOnEvergreen => (
            "The tag has the hash of a file that changes",
            "Leave out integrity, or load the pinned file that the build names beside its hash.",
        ),
        Found::PinnedNewest => ("The pinned file is the newest", ""),
        Found::PinnedOlder => {
            ("The pinned file is older than the edge", "Pin the newest one, which the build prints with its hash.")
        }
        Found::PinnedGone => {
            ("The pinned file is not served any more", "Pin the newest one, or serve the earlier files again.")
        }
        Found::PinnedWithoutIntegrity => {
            ("A pinned file is loaded without its hash", "Write integrity and crossorigin into the tag.")
        }
        Found::ScriptRefused => (
            "The page's policy refuses the script",
            "Add this to its Content-Security-Policy, or give the tag the page's nonce.",
        ),
        Found::ModulesRefused => (
            "The page's policy allows the script, and not what it fetches",
            "Offers are seen, but no impressions told and no gadgets shown. Allow the whole origin, or give the tag the nonce.",
        ),
        Found::ConnectRefused => {
            ("The page's policy refuses requests to the edge", "Add this to its Content-Security-Policy.")
        }
        Found::ImagesRefused => {
            ("The page's policy refuses some offers' pictures", "Add this to its Content-Security-Policy.")
        }
        Found::FramesRefused => (
            "The page's policy refuses frames of the edge",
            "Add this for gadgets where WebAssembly is refused too; without it they are links.",
        ),
        Found::WasmRefused => (
            "The page's policy refuses WebAssembly",
            "Offers work without. Add this for gadgets in the page and for undoing.",
        ),
        Found::TrustedTypes => (
            "The page wants Trusted Types and does not name ours",
            "Offers work without, more plainly. Add this to its policy.",
        ),
        Found::PolicyFine => ("The page's policy refuses nothing that is needed", ""),
        Found::ConsentUnsaid => (
            "Nothing in the HTML says what visitors agreed to",
            "Until something does, the site's default holds. It may also be said in a script file.",
        ),
        Found::ConsentSaid => ("The page says what visitors agreed to", ""),
        Found::NoPlaces => (
            "There is no place for offers in the HTML",
            "Put one where an offer is to stand. A framework may add it later.",
        ),
        Found::PlaceUnnamed => ("A place has no placement", "Name one of the configuration."),
        Found::PlaceUnknown => ("The configuration has no such placement", "Add it and publish, or mend the name."),
        Found::PlaceWithoutHeight => {
            ("A place reserves no height", "The page moves when offers come. Reserve it here or in the page's style.")
        }
        Found::PlaceFine => ("The place is ready", ""),
        Found::GadgetUnknown => ("The configuration has no such gadget", "Add it and publish, or mend the name."),
        Found::GadgetFine => ("The gadget is known", ""),
    }
}

fn chinese(found: Found) -> (&'static str, &'static str) {
    match found {
        Found::OriginNotListed => {
            ("配置中没有该页面的来源", "请将其加入站点或发布方的来源列表并发布。其他来源的页面不会被检查。")
        }
        Found::Unreachable => ("页面没有应答", "请检查网址，以及边缘节点能否访问它。"),
        Found::Status => ("页面返回错误", "请填写访客能看到的页面网址。"),
        Found::Redirect => ("页面跳转到别处", "以下结果针对跳转后的页面。"),
        Found::NoHtml => ("该网址返回的不是 HTML", "请填写页面网址。"),
        Found::TooLong => ("只检查了页面的开头", "页面超过 2 MB 或中途断开，以下结果可能不完整。"),
        Found::TagMissing => ("缺少脚本标签", "请将其放入页面的 head，并使用本站点的密钥。"),
        Found::TagManager => (
            "HTML 中没有脚本标签，但有代码管理器",
            "若由管理器添加标签，请在页面控制台运行 portico('doctor')；否则请放入 head。",
        ),
        Found::TagFine => ("脚本标签唯一", ""),
        Found::TagTwice => ("有多个脚本标签", "只有第一个生效，请只保留一个。"),
        Found::TagBlocks => ("脚本标签会阻塞页面", "请为其加上 async 或 defer。"),
        Found::TagHeldBack => {
            ("脚本标签的类型使其不会运行", "同意管理器会这样暂缓脚本，直到访客同意。若没有使用，请去掉类型。")
        }
        Found::TagElsewhere => {
            ("脚本标签从另一个边缘节点加载", "以下结果以本节点所知为准。若那个节点已停用，请改从此处加载。")
        }
        Found::TagInsecure => ("在 HTTPS 页面中以明文加载脚本", "浏览器会拒绝，请改用 https。"),
        Found::KeyMissing => ("脚本标签没有密钥", "请从站点设置中复制密钥。"),
        Found::KeyUnknown => ("该密钥不存在", "请从站点设置中复制。私密密钥不应出现在页面中。"),
        Found::KeyOfOther => ("该密钥属于其他站点", "请使用本站点的密钥。"),
        Found::KeyElsewhere => ("该密钥不适用于此来源", "请将该来源加入密钥的来源列表并发布。"),
        Found::KeyFine => ("密钥适用于此页面", ""),
        Found::Evergreen => ("版本自动保持最新", ""),
        Found::IntegrityOnEvergreen => {
            ("标签对会变化的文件写了哈希", "请去掉 integrity，或改用构建时打印的固定文件及其哈希。")
        }
        Found::PinnedNewest => ("固定文件为最新版本", ""),
        Found::PinnedOlder => ("固定文件比边缘节点旧", "请固定最新文件，构建时会打印其名称和哈希。"),
        Found::PinnedGone => ("固定文件已不再提供", "请固定最新文件，或重新提供旧文件。"),
        Found::PinnedWithoutIntegrity => ("固定文件没有写哈希", "请在标签中写上 integrity 和 crossorigin。"),
        Found::ScriptRefused => {
            ("页面策略拒绝该脚本", "请将此行加入 Content-Security-Policy，或为标签加上页面的 nonce。")
        }
        Found::ModulesRefused => (
            "页面策略允许脚本，但拒绝其加载的模块",
            "优惠可见，但不会上报展示，也没有小工具。请允许整个来源，或为标签加上页面的 nonce。",
        ),
        Found::ConnectRefused => ("页面策略拒绝访问边缘节点", "请将此行加入 Content-Security-Policy。"),
        Found::ImagesRefused => ("页面策略拒绝部分优惠的图片", "请将此行加入 Content-Security-Policy。"),
        Found::FramesRefused => {
            ("页面策略拒绝边缘节点的框架", "若 WebAssembly 也被拒绝，小工具需要此行；否则只显示链接。")
        }
        Found::WasmRefused => ("页面策略拒绝 WebAssembly", "优惠不受影响。页内小工具和撤销功能需要此行。"),
        Found::TrustedTypes => {
            ("页面要求 Trusted Types，但未列出我们的策略", "优惠仍可显示，但较为简单。请将此行加入页面策略。")
        }
        Found::PolicyFine => ("页面策略没有拒绝所需内容", ""),
        Found::ConsentUnsaid => ("HTML 中没有说明访客的同意情况", "在说明之前采用站点默认值。也可能写在脚本文件中。"),
        Found::ConsentSaid => ("页面说明了访客的同意情况", ""),
        Found::NoPlaces => ("HTML 中没有优惠位", "请在要显示优惠处放置一个。框架也可能稍后添加。"),
        Found::PlaceUnnamed => ("有优惠位没有名称", "请填写配置中的优惠位名称。"),
        Found::PlaceUnknown => ("配置中没有该优惠位", "请添加并发布，或更正名称。"),
        Found::PlaceWithoutHeight => ("优惠位没有预留高度", "优惠出现时页面会移动。请在此处或页面样式中预留。"),
        Found::PlaceFine => ("优惠位已就绪", ""),
        Found::GadgetUnknown => ("配置中没有该小工具", "请添加并发布，或更正名称。"),
        Found::GadgetFine => ("小工具已配置", ""),
    }
}
