package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

class HtmlReportTest {
  private static Document parse(String html) throws Exception {
    byte[] bytes = html.getBytes(StandardCharsets.UTF_8);
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(bytes));
  }

  private static int elements(Document page, String tag, String style) {
    NodeList found = page.getElementsByTagName(tag);
    int count = 0;
    for (int i = 0; i < found.getLength(); i++) {
      var attribute = found.item(i).getAttributes().getNamedItem("class");
      if (attribute != null && List.of(attribute.getNodeValue().split(" ")).contains(style)) {
        count++;
      }
    }
    return count;
  }

  @Test
  void aPageIsWellFormedAndStartsWithTheResult() throws Exception {
    Document page = parse(HtmlReport.render(SyntheticRun.verified()));
    assertEquals(
        "The integer model is right on 97.78 % of 360 test images, 0.28 points below the float"
            + " model; not one of 1,244,160 compared codes differs.",
        page.getElementsByTagName("h1").item(0).getTextContent());
  }

  @Test
  void aPageNeedsNeitherANetworkNorScripts() {
    String html = HtmlReport.render(SyntheticRun.verified());
    String withoutNamespace = html.replace("http://www.w3.org/2000/svg", "");
    for (String word : List.of("http:", "https:", "//cdn", "<script", "src=", "@import", "url(")) {
      assertFalse(withoutNamespace.contains(word), word);
    }
  }

  @Test
  void theStyleSheetReachesThePageUnescaped() {
    String html = HtmlReport.render(SyntheticRun.verified());
    String style = html.substring(html.indexOf("<style>"), html.indexOf("</style>"));
    assertTrue(style.contains("prefers-color-scheme: dark"), style);
    assertFalse(style.contains("&"), style);
  }

  @Test
  void everyEpochHasItsPointAndEveryPhaseItsBand() throws Exception {
    Document page = parse(HtmlReport.render(SyntheticRun.verified()));
    int epochs = SyntheticRun.FLOAT_EPOCHS + SyntheticRun.QAT_EPOCHS;
    assertEquals(3 * epochs, elements(page, "circle", "dot")); // 2 of accuracy, 1 of loss
    assertEquals(2, elements(page, "circle", "mark"));
    assertEquals(2 * 3, elements(page, "rect", "region")); // float, QAT, frozen
    assertEquals(2 * 2, elements(page, "line", "boundary"));
  }

  @Test
  void everyLayerWithWeightsHasAHistogram() throws Exception {
    Document page = parse(HtmlReport.render(SyntheticRun.verified()));
    assertEquals(4, elements(page, "svg", "histogram"));
  }

  @Test
  void verdictsAreGoodOnlyIfNothingDiffers() throws Exception {
    assertEquals(2, elements(parse(HtmlReport.render(SyntheticRun.verified())), "div", "good"));
    Document failed = parse(HtmlReport.render(SyntheticRun.failed()));
    assertEquals(1, elements(failed, "div", "good"));
    assertEquals(1, elements(failed, "div", "bad"));
  }

  @Test
  void aFailureNamesTheTensorTheImageAndTheElement() {
    String html = HtmlReport.render(SyntheticRun.failed());
    assertTrue(html.contains("but 7 of 1,244,160 compared codes differ."), html);
    assertTrue(html.contains("relu2.codes, image 41, element 83 at [5, 0, 3]"), html);
  }

  @Test
  void textOfTheRunIsEscaped() throws Exception {
    String html = HtmlReport.render(SyntheticRun.verified());
    assertTrue(html.contains("runs/&lt;first&gt;"), html);
    RunReport odd =
        new RunReport(
            "a\u0007<b>",
            "m\"&",
            "d",
            "W8A8",
            "ort",
            null,
            new RunReport.Outcome("f", 50, 4, 100),
            List.of(),
            List.of(),
            List.of(),
            Map.of(),
            "]]>");
    assertTrue(HtmlReport.render(odd).contains("a?&lt;b&gt;"));
    parse(HtmlReport.render(odd));
  }

  @Test
  void aRunThatWasNotVerifiedSaysSo() {
    String html = HtmlReport.render(SyntheticRun.with(List.of()));
    assertTrue(html.contains("It was not verified."), html);
    assertFalse(html.contains("card good"), html);
  }

  @Test
  void aComparisonOfNothingHoldsNothing() {
    ClaimResult empty = new ClaimResult("V2", "a", "b", 0, 0, 0, 0, 0, 0, null, List.of());
    assertFalse(empty.holds());
    assertFalse(SyntheticRun.with(List.of(empty)).verified());
    assertFalse(HtmlReport.render(SyntheticRun.with(List.of(empty))).contains("card good"));
  }
}
